/* SPDX-License-Identifier: Apache-2.0
 * Reply buffers of threads.
 */
#include "fs/scratch.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local void *buffer;
static _Thread_local size_t capacity;

static void make_key(void)
{
	pthread_key_create(&key, free);
}

void *scratch_get(size_t size)
{
	void *grown;

	if (size <= capacity)
		return buffer;
	pthread_once(&once, make_key);
	grown = malloc(size);
	if (!grown)
		return NULL;
	free(buffer);
	buffer = grown;
	capacity = size;
	pthread_setspecific(key, buffer);
	return buffer;
}
