#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cijob.py: what CircleCI, GitLab CI and GitHub Actions do with the files in tools/ci.

    cijob.py run FILE [--cache TAR] [NAME=VALUE...]  # the job of FILE in this directory
    cijob.py shell FILE           # the shell of its steps
    cijob.py services FILE        # arguments of the Docker daemon that FILE asks for

A job is steps of shell, each in the shell of its platform, with what `cache` names taken from
TAR before and put there after success. NAME=VALUE is what a user changes in the file. What a
platform has in its settings (REGISTRY_USER, REGISTRY_PASS) comes from the environment. When
the job ends, so does all that it started.
"""
import argparse
import ctypes
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import yaml

ID = os.urandom(8).hex()  # of the job
PR_SET_CHILD_SUBREAPER = 36
SHELLS = {
    "circleci": ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"],
    "github": ["bash", "--noprofile", "--norc", "-e", "-c"],
    "gitlab": ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"],
}


class Job:
    """One job: its platform, variables, steps (name, shell, background) and cached paths."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.document = yaml.safe_load(f)
        self.platform = path.split("/")[-2]
        self.variables, self.steps, self.paths, self.services = {}, [], [], []
        getattr(self, self.platform)()

    def circleci(self):
        """A machine executor; the store is restored and saved where the steps say so."""
        job = self.document["jobs"]["build"]
        assert self.document["workflows"]["build"]["jobs"] == ["build"] and job["machine"]
        self.variables = {k: v.replace("<< pipeline.id >>", ID)
                          for k, v in job["environment"].items()}
        order = []
        for step in job["steps"]:
            kind = step if isinstance(step, str) else next(iter(step))
            order.append(kind)
            if kind == "run":
                run = step["run"]
                self.steps.append((run["name"], run["command"], run.get("background", False)))
            elif kind == "save_cache":
                self.paths = step["save_cache"]["paths"]
        prefix = job["steps"][1]["restore_cache"]["keys"][0]
        key = job["steps"][-1]["save_cache"]["key"]
        assert order[:2] == ["checkout", "restore_cache"] and order[-1] == "save_cache"
        assert key.startswith(prefix)

    def github(self):
        """The cache action restores at its place and saves at the end."""
        job = self.document["jobs"]["build"]
        assert set(self.document[True]) == {"push", "pull_request"}  # YAML 1.1: "on" is true
        self.variables = {**self.document["env"], **job["env"]}
        assert job["steps"][0]["uses"].startswith("actions/checkout@")
        cache = job["steps"][1]
        assert cache["uses"].startswith("actions/cache@")
        assert cache["with"]["key"].startswith(cache["with"]["restore-keys"])
        self.paths = [cache["with"]["path"]]
        for step in job["steps"][2:]:
            self.steps.append((step["name"], step["run"], False))
        for name, value in self.variables.items():
            self.variables[name] = re.sub(
                r"\$\{\{ (?:secrets|vars)\.(\w+) \}\}", lambda m: os.environ.get(m[1], ""),
                value.replace("${{ github.run_id }}", ID))

    def gitlab(self):
        """before_script and script are one shell; Docker is a service beside it."""
        job = self.document["build"]
        self.variables = self.document["variables"]
        self.variables.pop("DOCKER_HOST")  # tcp://docker:2375 is the caller's daemon
        assert self.variables["FF_NETWORK_PER_BUILD"] == "true"
        self.variables = {
            k: v.replace("$CI_PROJECT_DIR", os.getcwd()).replace("$CI_JOB_ID", ID)
            for k, v in self.variables.items()}
        self.paths = [os.path.join(os.getcwd(), p) for p in job["cache"]["paths"]]
        self.services = self.document["services"][0]["command"]
        self.steps.append(("script", "\n".join(job["before_script"] + job["script"]), False))


def restore(tar):
    """Puts what the platform kept where it was; nothing is kept before the first job."""
    if tar and os.path.exists(tar):
        with tarfile.open(tar) as t:
            t.extractall("/")


def save(tar, paths):
    """Keeps the paths, as a reader sees them now."""
    with tarfile.open(tar + ".new", "w") as t:
        for path in paths:
            t.add(path)
    os.rename(tar + ".new", tar)


def end_children():
    """Ends what the steps left running: all are in this process group, and its children."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        except ChildProcessError:
            return
    print("cijob: something of the job does not end", file=sys.stderr)
    sys.exit(1)


def run(job, tar, changes):
    """Runs the steps until one fails. Returns its status."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.setpgid(0, 0)
    for change in changes:
        name, value = change.split("=", 1)
        assert name in job.variables, f"the file has no {name}"
        job.variables[name] = value
    env = {**os.environ, **job.variables}
    restore(tar)
    status = 0
    for name, shell, background in job.steps:
        print(f"=== {name}", flush=True)
        p = subprocess.Popen(SHELLS[job.platform] + [shell], env=env, stdin=subprocess.DEVNULL)
        status = 0 if background else p.wait()
        if status:
            print(f"=== failed: {name}", flush=True)
            break
    if tar and not status:
        save(tar, job.paths)
    end_children()
    return status


def main():
    """Reads the arguments."""
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["run", "shell", "services"])
    p.add_argument("file")
    p.add_argument("--cache")
    p.add_argument("changes", nargs="*")
    a = p.parse_intermixed_args()
    job = Job(os.path.abspath(a.file))
    if a.what == "services":
        print("\n".join(job.services))
        return 0
    if a.what == "shell":
        print("\n".join(shell.rstrip("\n") for _, shell, _ in job.steps))
        return 0
    return run(job, a.cache, a.changes)


sys.exit(main())
