/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit and deadline of the launcher. Macros are those that the tests build a launcher with smaller ones of. The request must stay below what the agent accepts: src/cni/limits.ts.
 */
#ifndef SLUICE_LIMITS_H
#define SLUICE_LIMITS_H

enum {
	STDIN_BYTES_MAX = 1024 * 1024,
	ENV_BYTES_MAX = 64 * 1024, /* all CNI_* variables together */
	BODY_BYTES_MAX = ENV_BYTES_MAX + 1 + STDIN_BYTES_MAX,
	HEAD_BYTES_MAX = 512, /* head of the HTTP request */
	RESPONSE_HEAD_BYTES_MAX = 8 * 1024,
	RESPONSE_BYTES_MAX = 1024 * 1024,
	JSON_DEPTH_MAX = 64,
	JSON_KEY_BYTES_MAX = 32, /* longer keys are never ours */
	VERSION_BYTES_MAX = 32,
	INSTANCE_BYTES_MAX = 32,
	DIRECTORY_BYTES_MAX = 1024, /* runDir, stateDir */
	CONTAINER_ID_BYTES_MAX = 200, /* with the interface name it makes one file name of the journal */
	INTERFACE_NAME_BYTES_MAX = 15, /* the kernel's IFNAMSIZ without the NUL */
	MESSAGE_BYTES_MAX = 512,
	DETAILS_BYTES_MAX = 1024,
};

#ifndef JOURNAL_ENTRIES_MAX
#define JOURNAL_ENTRIES_MAX 16384
#endif

#ifndef STDIN_DEADLINE_MS
#define STDIN_DEADLINE_MS 5000
#endif

/* A full backlog of the agent's socket is waited for; hundreds of pods start at once after a boot. */
#ifndef CONNECT_DEADLINE_MS
#define CONNECT_DEADLINE_MS 10000
#endif

/* ADD, CHECK and GC. The kubelet gives a sandbox two minutes. */
#ifndef ADD_DEADLINE_MS
#define ADD_DEADLINE_MS 90000
#endif

/* Short, because a DEL that is not answered is journalled, and CRI-O gives a DEL one minute. */
#ifndef DEL_DEADLINE_MS
#define DEL_DEADLINE_MS 30000
#endif

/* The second try of a DEL, after it was journalled. */
#ifndef RETRY_DEADLINE_MS
#define RETRY_DEADLINE_MS 5000
#endif

/* containerd holds a lock while it asks for the status every few seconds. */
#ifndef STATUS_DEADLINE_MS
#define STATUS_DEADLINE_MS 5000
#endif

#endif
