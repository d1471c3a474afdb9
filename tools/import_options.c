/* SPDX-License-Identifier: Apache-2.0
 * What import, pull and cache import have in common on the command line. */
#include "tools/import_options.h"

const struct option_spec import_options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct import_options, platform,
		    "of an index, take the image for this platform"),
	OPTION_FLAG(0, "all-platforms", struct import_options, all_platforms,
		    "of an index, take all images"),
	OPTION_FLAG(0, "keep-blobs", struct import_options, keep_blobs,
		    "keep layers as they were compressed, too"),
	OPTION_FLAG(0, "match-blobs", struct import_options, match_blobs,
		    "keep them so only if they cannot be made again"),
	OPTION_FLAG(0, "no-referrers", struct import_options, no_referrers,
		    "leave signatures and the like of images where they are"),
	REGISTRY_OPTIONS(struct import_options, registry),
	OPTION_END,
};

int import_options_take(const struct command_call *call, struct platform *ret_platform,
			struct image_import_options *ret, struct err *err)
{
	const struct import_options *v = call->values;
	struct image_import_options o = {
		.name = call->count > 1 ? call->args[1] : NULL,
		.all_platforms = v->all_platforms,
		.keep_blobs = v->keep_blobs,
		.match_blobs = v->match_blobs,
		.referrers = !v->no_referrers,
		.quiet = call->quiet,
	};
	int rc = 0;

	if (v->platform && v->all_platforms)
		return err_set(err, ERR_USAGE,
			       "--platform and --all-platforms exclude each other");
	if (v->platform) {
		rc = platform_parse(v->platform, ret_platform, err);
		o.platform = ret_platform;
	}
	if (!rc)
		*ret = o;
	return rc;
}
