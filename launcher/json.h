/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict JSON (RFC 8259) scanner that keeps nothing but the values of a few top-level string keys. The agent parses
 * the same text again, so both must refuse the same texts; this one also refuses a wanted key that appears twice.
 */
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct json_key {
	const char *name;
	char *value; /* decoded, NUL-terminated; untouched when the key is absent or no string */
	size_t size; /* of value, with the NUL */
	bool found; /* as a string */
};

struct json_problem {
	bool malformed; /* false: the text is JSON, but a wanted key has an unusable value */
	size_t line, column; /* from 1; the column counts bytes */
	const char *text;
	const char *key; /* the wanted key the problem is about, or NULL */
};

/* Scans one object, with nothing but white space around it. False: see `problem`. */
bool json_scan_object(const char *text, size_t length, struct json_key *keys, size_t count,
		      struct json_problem *problem);

#endif
