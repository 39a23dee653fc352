/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Every byte of a text may become six (\u001f). */
	ESCAPE_GROWTH = 6,
	OUTPUT_BYTES_MAX = ESCAPE_GROWTH * (MESSAGE_BYTES_MAX + DETAILS_BYTES_MAX + VERSION_BYTES_MAX) + 256,
};

/* Texts that do not fit are cut; OUTPUT_BYTES_MAX makes that impossible for a failure. */
struct output {
	char bytes[OUTPUT_BYTES_MAX];
	size_t length;
};

bool fail(struct failure *failure, enum cni_code code, const char *format, ...)
{
	va_list arguments;

	failure->code = code;
	failure->details[0] = '\0';
	va_start(arguments, format);
	vsnprintf(failure->message, sizeof(failure->message), format, arguments);
	va_end(arguments);
	return false;
}

bool fail_details(struct failure *failure, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(failure->details, sizeof(failure->details), format, arguments);
	va_end(arguments);
	return false;
}

bool write_all(int fd, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t written = write(fd, next, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		next += written;
		length -= (size_t)written;
	}
	return true;
}

static void put(struct output *output, const char *bytes, size_t length)
{
	size_t room = sizeof(output->bytes) - output->length;

	if (length > room)
		length = room;
	memcpy(output->bytes + output->length, bytes, length);
	output->length += length;
}

static void put_text(struct output *output, const char *text)
{
	put(output, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at `text`, 0 when there is none. A NUL ends every sequence early. */
static size_t utf8_length(const unsigned char *text)
{
	static const struct {
		unsigned char first, last, second_first, second_last, length;
	} FORMS[] = {
		{ 0x01, 0x7f, 0, 0, 1 },	{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		if (text[0] < FORMS[i].first || text[0] > FORMS[i].last)
			continue;
		if (FORMS[i].length > 1 && (text[1] < FORMS[i].second_first || text[1] > FORMS[i].second_last))
			return 0;
		for (size_t j = 2; j < FORMS[i].length; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return FORMS[i].length;
	}
	return 0;
}

/* A JSON string. Environment variables may hold any bytes: what is not UTF-8 becomes U+FFFD. */
static void put_string(struct output *output, const char *text)
{
	const unsigned char *next = (const unsigned char *)text;

	put_text(output, "\"");
	while (*next != '\0') {
		size_t length = utf8_length(next);
		char escape[8];

		if (*next == '"' || *next == '\\') {
			snprintf(escape, sizeof(escape), "\\%c", *next);
			put_text(output, escape);
		} else if (*next < 0x20) {
			snprintf(escape, sizeof(escape), "\\u%04x", *next);
			put_text(output, escape);
		} else if (length == 0) {
			put_text(output, "\\ufffd");
		} else {
			put(output, (const char *)next, length);
		}
		next += length == 0 ? 1 : length;
	}
	put_text(output, "\"");
}

bool print_failure(const struct failure *failure, const char *cni_version)
{
	struct output output = { .length = 0 };
	char code[24];

	snprintf(code, sizeof(code), "%d", (int)failure->code);
	put_text(&output, "{\"cniVersion\":");
	put_string(&output, cni_version);
	put_text(&output, ",\"code\":");
	put_text(&output, code);
	put_text(&output, ",\"msg\":");
	put_string(&output, failure->message);
	put_text(&output, ",\"details\":");
	put_string(&output, failure->details);
	put_text(&output, "}\n");
	return write_all(STDOUT_FILENO, output.bytes, output.length);
}

bool print_versions(const char *cni_version, const char *const *supported, size_t count)
{
	struct output output = { .length = 0 };

	put_text(&output, "{\"cniVersion\":");
	put_string(&output, cni_version);
	put_text(&output, ",\"supportedVersions\":[");
	for (size_t i = 0; i < count; i++) {
		put_text(&output, i == 0 ? "" : ",");
		put_string(&output, supported[i]);
	}
	put_text(&output, "]}\n");
	return write_all(STDOUT_FILENO, output.bytes, output.length);
}
