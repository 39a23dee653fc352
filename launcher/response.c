/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "response.h"

#include <string.h>

#include "limits.h"

enum { NO_LENGTH = -1 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool parse_status(const char *line, size_t length, int *status)
{
	/* "HTTP/1.1 200" and perhaps a reason */
	if (length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ')
		return false;
	if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) || (length > 12 && line[12] != ' '))
		return false;
	*status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return *status >= 200;
}

static bool parse_length(const char *text, size_t length, long *value)
{
	*value = 0;
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(text[i]))
			return false;
		*value = *value * 10 + (text[i] - '0');
		if (*value > RESPONSE_BYTES_MAX)
			return false;
	}
	return true;
}

/* The value of the header when the line is that header, without the space before it. */
static const char *header_value(const char *line, size_t *length, const char *name)
{
	size_t skip = strlen(name);

	if (*length < skip || strncasecmp(line, name, skip) != 0)
		return NULL;
	while (skip < *length && line[skip] == ' ')
		skip++;
	*length -= skip;
	return line + skip;
}

static bool parse_header(const char *line, size_t length, struct response *response, long *body_length)
{
	static const char JSON_TYPE[] = "application/json";
	size_t value_length = length;
	const char *value = header_value(line, &value_length, "content-length:");

	if (value != NULL)
		return *body_length == NO_LENGTH && parse_length(value, value_length, body_length);
	value = header_value(line, &value_length, "content-type:");
	if (value != NULL)
		response->is_json = value_length >= sizeof(JSON_TYPE) - 1 &&
				    strncasecmp(value, JSON_TYPE, sizeof(JSON_TYPE) - 1) == 0;
	/* The agent always knows the length; chunks mean that somebody else answers. */
	return header_value(line, &value_length, "transfer-encoding:") == NULL;
}

enum response_state parse_response(const char *bytes, size_t length, struct response *response)
{
	const char *head_end = memmem(bytes, length, "\r\n\r\n", 4);
	const char *line = bytes;
	long body_length = NO_LENGTH;
	size_t have;

	if (head_end == NULL)
		return length > RESPONSE_HEAD_BYTES_MAX ? RESPONSE_GARBLED : RESPONSE_INCOMPLETE;
	response->is_json = false;
	while (line < head_end) {
		const char *line_end = memmem(line, (size_t)(head_end + 2 - line), "\r\n", 2);
		size_t line_length = (size_t)(line_end - line);

		if (line == bytes ? !parse_status(line, line_length, &response->status)
				  : !parse_header(line, line_length, response, &body_length))
			return RESPONSE_GARBLED;
		line = line_end + 2;
	}
	if (line == bytes || body_length == NO_LENGTH)
		return RESPONSE_GARBLED;
	response->body = head_end + 4;
	response->body_length = (size_t)body_length;
	have = length - (size_t)(response->body - bytes);
	if (have < response->body_length)
		return RESPONSE_INCOMPLETE;
	return have == response->body_length ? RESPONSE_COMPLETE : RESPONSE_GARBLED;
}
