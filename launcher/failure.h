/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, as a CNI error (CNI-60, CNI-61), and the only code that writes JSON. */
#ifndef SLUICE_FAILURE_H
#define SLUICE_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

#include "limits.h"

enum cni_code {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_DECODE_FAILURE = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_INVALID_NETNS = 8,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
};

struct failure {
	enum cni_code code;
	char message[MESSAGE_BYTES_MAX];
	char details[DETAILS_BYTES_MAX];
};

/* Fills the failure, details empty, and returns false: `return fail(failure, ...)`. */
bool fail(struct failure *failure, enum cni_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds what a person can do, or what the system said. Returns false. */
bool fail_details(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the failure as a CNI error object. False when stdout does not take it. */
bool print_failure(const struct failure *failure, const char *cni_version);

/* Prints the answer to VERSION (CNI-53). */
bool print_versions(const char *cni_version, const char *const *supported, size_t count);

/* Writes everything, through interruptions and short writes. */
bool write_all(int fd, const void *bytes, size_t length);

#endif
