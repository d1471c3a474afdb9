/* SPDX-License-Identifier: Apache-2.0
 * The layers that an import has to read, each once, ingested by several threads into one
 * session. The first failure stops all.
 */
#ifndef TOOLS_LAYER_JOBS_H
#define TOOLS_LAYER_JOBS_H

#include "store/session.h"
#include "tools/oci/source.h"

#define LAYER_JOBS_THREADS_MAX 8

struct layer_job {
	struct descriptor desc;
	struct digest diffid;
	size_t number, total; /* "layer 3 of 6" of the image that wants it */
	bool known;           /* the layer is there: only its blob is to be kept */
	bool adopt;           /* it is there in an alternate, and to be adopted */
};

struct layer_jobs {
	struct layer_job *items;
	size_t count;
	bool keep_blobs; /* the compressed bytes are stored too */
	bool unresolved; /* after the run: some layer has links to lower layers */
};

/* Adds a layer unless it is in the list. */
int layer_jobs_add(struct layer_jobs *jobs, const struct layer_job *job,
		   struct err *err) MUST_CHECK;

/* Reads all of them, the largest first. LABEL is what the progress bar says. */
int layer_jobs_run(struct layer_jobs *jobs, struct session *session,
		   struct source *source, const char *label, bool quiet,
		   struct err *err) MUST_CHECK;

void layer_jobs_release(struct layer_jobs *jobs);

#define auto_layer_jobs __attribute__((cleanup(layer_jobs_release)))

#endif
