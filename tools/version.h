/* SPDX-License-Identifier: Apache-2.0
 * The version of this program.
 */
#ifndef TOOLS_VERSION_H
#define TOOLS_VERSION_H

#define VERSION_TEXT "0.1.0"

#endif
