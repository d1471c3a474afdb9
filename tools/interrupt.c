/* SPDX-License-Identifier: Apache-2.0
 * Signals that are noted. */
#include "tools/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t noted;

static void note(int number)
{
	noted = number;
}

void interrupt_catch(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction old, new = {.sa_handler = note, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(caught[i], &new, NULL);
}

int interrupt_check(struct err *err)
{
	return noted ? err_set(err, ERR_CANCELED, "interrupted") : 0;
}

void interrupt_die(void)
{
	if (!noted)
		return;
	signal(noted, SIG_DFL);
	raise(noted);
}
