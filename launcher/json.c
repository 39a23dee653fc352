/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <string.h>

#include "limits.h"

struct scanner {
	const char *start, *next, *end;
	struct json_problem *problem;
	bool has_key_problem;
};

/* Where a decoded string goes; without `bytes` it is only measured. */
struct target {
	char *bytes;
	size_t size, length;
	bool has_nul;
};

static bool scan_value(struct scanner *scanner, int depth);

static void locate(struct scanner *scanner, const char *at)
{
	struct json_problem *problem = scanner->problem;

	problem->line = 1;
	problem->column = 1;
	for (const char *c = scanner->start; c < at; c++) {
		problem->column++;
		if (*c == '\n') {
			problem->line++;
			problem->column = 1;
		}
	}
}

static bool stop(struct scanner *scanner, const char *at, const char *text)
{
	locate(scanner, at);
	scanner->problem->malformed = true;
	scanner->problem->text = text;
	scanner->problem->key = NULL;
	return false;
}

/* Keeps the first problem with a wanted key. The scan goes on: that the text is no JSON at all counts more. */
static void note(struct scanner *scanner, const char *at, const struct json_key *key, const char *text)
{
	if (scanner->has_key_problem)
		return;
	locate(scanner, at);
	scanner->has_key_problem = true;
	scanner->problem->malformed = false;
	scanner->problem->text = text;
	scanner->problem->key = key->name;
}

static void skip_space(struct scanner *scanner)
{
	while (scanner->next < scanner->end && memchr(" \t\r\n", *scanner->next, 4) != NULL)
		scanner->next++;
}

static bool take(struct scanner *scanner, char c)
{
	if (scanner->next == scanner->end || *scanner->next != c)
		return false;
	scanner->next++;
	return true;
}

static void keep(struct target *target, unsigned byte)
{
	if (target->bytes != NULL && target->length < target->size)
		target->bytes[target->length] = (char)byte;
	target->length++;
	target->has_nul |= byte == 0;
}

static void keep_code_point(struct target *target, unsigned code)
{
	if (code < 0x80) {
		keep(target, code);
		return;
	}
	if (code < 0x800) {
		keep(target, 0xc0 | code >> 6);
	} else if (code < 0x10000) {
		keep(target, 0xe0 | code >> 12);
		keep(target, 0x80 | (code >> 6 & 0x3f));
	} else {
		keep(target, 0xf0 | code >> 18);
		keep(target, 0x80 | (code >> 12 & 0x3f));
		keep(target, 0x80 | (code >> 6 & 0x3f));
	}
	keep(target, 0x80 | (code & 0x3f));
}

static bool scan_hex(struct scanner *scanner, unsigned *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++) {
		char c = scanner->next < scanner->end ? *scanner->next : '\0';

		if (c >= '0' && c <= '9')
			*unit = *unit << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*unit = *unit << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return stop(scanner, scanner->next, "\\u needs four hexadecimal digits");
		scanner->next++;
	}
	return true;
}

/* After `\u`. A surrogate without its other half becomes U+FFFD. */
static bool scan_unicode(struct scanner *scanner, struct target *target)
{
	unsigned unit, low;

	if (!scan_hex(scanner, &unit))
		return false;
	if (unit >= 0xd800 && unit <= 0xdbff && scanner->end - scanner->next >= 2 && scanner->next[0] == '\\' &&
	    scanner->next[1] == 'u') {
		const char *second = scanner->next;

		scanner->next += 2;
		if (!scan_hex(scanner, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff)
			unit = 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
		else
			scanner->next = second;
	}
	keep_code_point(target, unit >= 0xd800 && unit <= 0xdfff ? 0xfffd : unit);
	return true;
}

static bool scan_string(struct scanner *scanner, struct target *target)
{
	static const char ESCAPES[] = "\"\\/bfnrt";
	static const char MEANINGS[] = "\"\\/\b\f\n\r\t";

	if (!take(scanner, '"'))
		return stop(scanner, scanner->next, "expected a string");
	while (scanner->next < scanner->end) {
		const char *at = scanner->next++;
		const char *escape;

		if (*at == '"')
			return true;
		if ((unsigned char)*at < 0x20)
			return stop(scanner, at, "a control character in a string must be escaped");
		if (*at != '\\') {
			keep(target, (unsigned char)*at);
			continue;
		}
		if (take(scanner, 'u')) {
			if (!scan_unicode(scanner, target))
				return false;
			continue;
		}
		escape = scanner->next < scanner->end ? memchr(ESCAPES, *scanner->next, sizeof(ESCAPES) - 1) : NULL;
		if (escape == NULL)
			return stop(scanner, at, "unknown escape in a string");
		keep(target, (unsigned char)MEANINGS[escape - ESCAPES]);
		scanner->next++;
	}
	return stop(scanner, scanner->next, "the text ends within a string");
}

static bool scan_digits(struct scanner *scanner)
{
	const char *first = scanner->next;

	while (scanner->next < scanner->end && *scanner->next >= '0' && *scanner->next <= '9')
		scanner->next++;
	return scanner->next > first ? true : stop(scanner, first, "expected a digit");
}

static bool scan_number(struct scanner *scanner)
{
	take(scanner, '-');
	if (!take(scanner, '0') && !scan_digits(scanner))
		return false;
	if (take(scanner, '.') && !scan_digits(scanner))
		return false;
	if (take(scanner, 'e') || take(scanner, 'E')) {
		if (!take(scanner, '+'))
			take(scanner, '-');
		return scan_digits(scanner);
	}
	return true;
}

static bool scan_word(struct scanner *scanner, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(scanner->end - scanner->next) < length || memcmp(scanner->next, word, length) != 0)
		return stop(scanner, scanner->next, "expected a value");
	scanner->next += length;
	return true;
}

static bool scan_wanted(struct scanner *scanner, int depth, struct json_key *key)
{
	const char *at = scanner->next;
	struct target target = { .bytes = key->value, .size = key->size };
	bool is_string = at < scanner->end && *at == '"';
	bool is_null = at < scanner->end && *at == 'n';

	if (key->found)
		note(scanner, at, key, "appears twice");
	else if (!is_string && !is_null)
		note(scanner, at, key, "must be a string");
	if (key->found || !is_string)
		return scan_value(scanner, depth);
	key->found = true;
	if (!scan_string(scanner, &target))
		return false;
	if (target.length >= key->size)
		note(scanner, at, key, "is too long");
	else if (target.has_nul)
		note(scanner, at, key, "holds a NUL character");
	/* Cut when it is too long. */
	key->value[target.length < key->size ? target.length : key->size - 1] = '\0';
	return true;
}

static bool scan_member(struct scanner *scanner, int depth, struct json_key *keys, size_t count)
{
	char name[JSON_KEY_BYTES_MAX];
	struct target target = { .bytes = name, .size = sizeof(name) };

	skip_space(scanner);
	if (!scan_string(scanner, &target))
		return false;
	skip_space(scanner);
	if (!take(scanner, ':'))
		return stop(scanner, scanner->next, "expected ':'");
	skip_space(scanner);
	for (size_t i = 0; i < count; i++)
		if (target.length == strlen(keys[i].name) && memcmp(name, keys[i].name, target.length) == 0)
			return scan_wanted(scanner, depth, &keys[i]);
	return scan_value(scanner, depth);
}

static bool scan_object(struct scanner *scanner, int depth, struct json_key *keys, size_t count)
{
	if (depth == JSON_DEPTH_MAX)
		return stop(scanner, scanner->next, "nested too deeply");
	scanner->next++;
	skip_space(scanner);
	if (take(scanner, '}'))
		return true;
	do {
		if (!scan_member(scanner, depth + 1, keys, count))
			return false;
		skip_space(scanner);
	} while (take(scanner, ','));
	return take(scanner, '}') ? true : stop(scanner, scanner->next, "expected ',' or '}'");
}

static bool scan_array(struct scanner *scanner, int depth)
{
	if (depth == JSON_DEPTH_MAX)
		return stop(scanner, scanner->next, "nested too deeply");
	scanner->next++;
	skip_space(scanner);
	if (take(scanner, ']'))
		return true;
	do {
		skip_space(scanner);
		if (!scan_value(scanner, depth + 1))
			return false;
		skip_space(scanner);
	} while (take(scanner, ','));
	return take(scanner, ']') ? true : stop(scanner, scanner->next, "expected ',' or ']'");
}

static bool scan_value(struct scanner *scanner, int depth)
{
	struct target ignored = { .bytes = NULL };

	if (scanner->next == scanner->end)
		return stop(scanner, scanner->next, "the text ends where a value is expected");
	switch (*scanner->next) {
	case '{':
		return scan_object(scanner, depth, NULL, 0);
	case '[':
		return scan_array(scanner, depth);
	case '"':
		return scan_string(scanner, &ignored);
	case 't':
		return scan_word(scanner, "true");
	case 'f':
		return scan_word(scanner, "false");
	case 'n':
		return scan_word(scanner, "null");
	}
	if (*scanner->next == '-' || (*scanner->next >= '0' && *scanner->next <= '9'))
		return scan_number(scanner);
	return stop(scanner, scanner->next, "expected a value");
}

bool json_scan_object(const char *text, size_t length, struct json_key *keys, size_t count,
		      struct json_problem *problem)
{
	struct scanner scanner = { .start = text, .next = text, .end = text + length, .problem = problem };

	skip_space(&scanner);
	if (scanner.next == scanner.end)
		return stop(&scanner, scanner.next, "there is no text");
	if (*scanner.next != '{')
		return stop(&scanner, scanner.next, "expected an object");
	if (!scan_object(&scanner, 0, keys, count))
		return false;
	skip_space(&scanner);
	if (scanner.next != scanner.end)
		return stop(&scanner, scanner.next, "unexpected text after the object");
	return !scanner.has_key_problem;
}
