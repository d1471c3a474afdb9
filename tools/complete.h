/* SPDX-License-Identifier: Apache-2.0
 * Completion for shells, from the same tables as parsing and help.
 */
#ifndef TOOLS_COMPLETE_H
#define TOOLS_COMPLETE_H

/* WORDS: what stands behind `layercache` up to the cursor, the last one is being completed
 * (may be ""). Prints candidates, one per line; ":file" or ":directory" alone tells the
 * shell to complete paths by itself. Never fails: a store that cannot be read has no
 * names. */
void complete_print(char *const *words, unsigned count);

#endif
