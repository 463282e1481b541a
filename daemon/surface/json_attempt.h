/* SPDX-License-Identifier: Apache-2.0 */
/* One finished attempt as JSON: the fields of `last`. Private to JSON. */
#ifndef CH_SURFACE_JSON_ATTEMPT_H
#define CH_SURFACE_JSON_ATTEMPT_H

#include "json_build.h"
#include "record.h"

/* Adds the fields to object. */
void json_attempt(struct json_build *build, cJSON *object, const struct ch_attempt *attempt);

#endif
