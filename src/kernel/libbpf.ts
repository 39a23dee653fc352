/**
 * libbpf through koffi: the functions Sluice uses, loaded at the first call, and the one way to call them. What libbpf
 * and the verifier have to say beside a failure becomes the hint of the error; nothing is printed.
 *
 * Calls that only give something back (closing an object) cannot be refused and pass no fault point.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { errorMessage } from '../lib/errors.ts';
import { passFaultPoint } from './fault.ts';
import { libc, nativeNegative, sysError } from './native.ts';

/** Address of an object or map inside libbpf. Does not leave src/kernel. */
export type Handle = bigint;

/** What may be passed where libbpf takes a pointer to memory. */
export type Memory = Uint8Array | Uint32Array | null;

const LIBRARY = 'libbpf.so.1';

/** The verifier explains a refusal in its last lines; more than this of them helps nobody. */
const HINT_BYTES_MAX = 8192;
const LEVEL_DEBUG = 2;

export interface Libbpf {
  readonly openMem: (bytes: Uint8Array, size: number, options: { sz: number; object_name: string }) => Handle | null;
  readonly load: (object: Handle) => number;
  readonly close: (object: Handle) => void;
  readonly findMap: (object: Handle, name: string) => Handle | null;
  readonly findProgram: (object: Handle, name: string) => Handle | null;
  readonly programFd: (program: Handle) => number;
  readonly mapFd: (map: Handle) => number;
  readonly setMaxEntries: (map: Handle, entries: number) => number;
  readonly setAutocreate: (map: Handle, create: boolean) => number;
  readonly reuseFd: (map: Handle, fd: number) => number;
  readonly initialValue: (map: Handle, size: [number | bigint | null]) => Handle | null;
  readonly lookup: (fd: number, key: Memory, value: Memory) => number;
  readonly update: (fd: number, key: Memory, value: Memory, flags: number) => number;
  readonly remove: (fd: number, key: Memory) => number;
  readonly nextKey: (fd: number, key: Memory, next: Memory) => number;
  readonly lookupBatch: (
    fd: number,
    from: Memory,
    to: Memory,
    keys: Memory,
    values: Memory,
    count: Uint32Array,
    options: null,
  ) => number;
  readonly updateBatch: (fd: number, keys: Memory, values: Memory, count: Uint32Array, options: null) => number;
  readonly removeBatch: (fd: number, keys: Memory, count: Uint32Array, options: null) => number;
  readonly info: (fd: number, info: Memory, length: Uint32Array) => number;
  readonly pin: (fd: number, path: string) => number;
  readonly openPin: (path: string) => number;
  readonly loadProgram: (
    type: number,
    name: string,
    license: string,
    instructions: Memory,
    count: number,
    options: null,
  ) => number;
  readonly testRun: (fd: number, options: TestRunOptions) => number;
  readonly possibleCpus: () => number;
  readonly openBtf: (id: number) => Handle | null;
  readonly btfData: (btf: Handle, size: [number | null]) => Handle | null;
  readonly freeBtf: (btf: Handle) => void;
}

/** struct bpf_test_run_opts. */
export interface TestRunOptions {
  sz: number;
  data_in: Uint8Array;
  data_out: Uint8Array;
  data_size_in: number;
  data_size_out: number;
  ctx_in: Uint8Array;
  ctx_out: Uint8Array;
  ctx_size_in: number;
  ctx_size_out: number;
  retval: number;
  repeat: number;
  duration: number;
  flags: number;
  cpu: number;
  batch_size: number;
}

let loaded: Libbpf | undefined;
const messages: string[] = [];

/**
 * The library, loaded once a process.
 * @throws Error naming the Debian package when it is not installed.
 */
export function libbpf(): Libbpf {
  if (loaded === undefined) {
    const library = openLibrary(LIBRARY);
    collectMessages(library);
    loaded = bind(library);
  }
  return loaded;
}

/** Calls a function that returns -errno. @throws SysError with libbpf's messages as the hint. */
export function callLibbpf(call: string, object: string, run: (lib: Libbpf) => number): number {
  const lib = libbpf();
  messages.length = 0;
  return nativeNegative(call, object, () => run(lib), takeMessages);
}

/**
 * The same where some errors are answers: returns -errno when it is one of `answers`, else what the call returned.
 * Cheaper than an exception for what happens all the time, such as a key that is not there.
 */
export function askLibbpf(
  call: string,
  object: string,
  answers: readonly number[],
  run: (lib: Libbpf) => number,
): number {
  let answer = 0;
  const result = callLibbpf(call, object, (lib) => {
    const code = run(lib);
    if (!answers.includes(-code)) return code;
    answer = code;
    return 0;
  });
  return answer === 0 ? result : answer;
}

/** Calls a function that returns a pointer, or NULL and errno. @throws SysError with libbpf's messages as the hint. */
export function callLibbpfHandle(call: string, object: string, run: (lib: Libbpf) => Handle | null): Handle {
  const lib = libbpf();
  messages.length = 0;
  passFaultPoint(call, object);
  const result = run(lib);
  if (result === null) throw sysError(call, object, koffi.errno(), takeMessages());
  return result;
}

function takeMessages(): string {
  const text = messages.join('').trim();
  messages.length = 0;
  return text.length > HINT_BYTES_MAX ? `...${text.slice(-HINT_BYTES_MAX)}` : text;
}

/** @throws Error naming the Debian package when it is not installed. */
export function openLibrary(file: string): LibraryHandle {
  try {
    return koffi.load(file);
  } catch (error) {
    throw new Error(
      `${file} cannot be loaded (${errorMessage(error)}): install libbpf 1 (Debian: apt-get install libbpf1)`,
      { cause: error },
    );
  }
}

/** Debug messages are left out: they are many, and each is a call into JavaScript. */
function collectMessages(library: LibraryHandle): void {
  // A va_list is passed as a pointer on x86-64 and on arm64.
  const printer = koffi.proto('int (int level, void *format, void *arguments)');
  const vasprintf = libc.func('int vasprintf(_Out_ void **text, void *format, void *arguments)');
  const free = libc.func('void free(void *memory)');
  const callback = koffi.register((level: number, text: bigint, parameters: bigint): number => {
    if (level >= LEVEL_DEBUG) return 0;
    const out: [bigint | null] = [null];
    const length = Number(vasprintf(out, text, parameters));
    if (length < 0 || out[0] === null) return 0;
    const skipped = Math.max(0, length - HINT_BYTES_MAX);
    const tail = koffi.view(out[0] + BigInt(skipped), length - skipped);
    messages.push(new TextDecoder().decode(tail));
    free(out[0]);
    return length;
  }, koffi.pointer(printer));
  library.func('void *libbpf_set_print(void *printer)')(callback);
}

function bind(library: LibraryHandle): Libbpf {
  const openOptions = koffi.struct({ sz: 'size_t', object_name: 'const char *' });
  return {
    openMem: library.func('bpf_object__open_mem', 'void *', ['void *', 'size_t', koffi.pointer(openOptions)]),
    load: library.func('int bpf_object__load(void *object)'),
    close: library.func('void bpf_object__close(void *object)'),
    findMap: library.func('void *bpf_object__find_map_by_name(void *object, const char *name)'),
    findProgram: library.func('void *bpf_object__find_program_by_name(void *object, const char *name)'),
    programFd: library.func('int bpf_program__fd(void *program)'),
    mapFd: library.func('int bpf_map__fd(void *map)'),
    setMaxEntries: library.func('int bpf_map__set_max_entries(void *map, uint32_t entries)'),
    setAutocreate: library.func('int bpf_map__set_autocreate(void *map, bool create)'),
    reuseFd: library.func('int bpf_map__reuse_fd(void *map, int fd)'),
    initialValue: library.func('void *bpf_map__initial_value(void *map, _Out_ size_t *size)'),
    lookup: library.func('int bpf_map_lookup_elem(int fd, void *key, void *value)'),
    update: library.func('int bpf_map_update_elem(int fd, void *key, void *value, uint64_t flags)'),
    remove: library.func('int bpf_map_delete_elem(int fd, void *key)'),
    nextKey: library.func('int bpf_map_get_next_key(int fd, void *key, void *next)'),
    lookupBatch: library.func(
      'int bpf_map_lookup_batch(int fd, void *from, void *to, void *keys, void *values, void *count, void *options)',
    ),
    updateBatch: library.func('int bpf_map_update_batch(int fd, void *keys, void *values, void *count, void *options)'),
    removeBatch: library.func('int bpf_map_delete_batch(int fd, void *keys, void *count, void *options)'),
    info: library.func('int bpf_obj_get_info_by_fd(int fd, void *info, void *length)'),
    pin: library.func('int bpf_obj_pin(int fd, const char *path)'),
    openPin: library.func('int bpf_obj_get(const char *path)'),
    loadProgram: library.func(
      'int bpf_prog_load(int type, const char *name, const char *license, void *instructions, size_t count, void *options)',
    ),
    testRun: library.func('bpf_prog_test_run_opts', 'int', ['int', koffi.inout(koffi.pointer(testRunOptions()))]),
    possibleCpus: library.func('int libbpf_num_possible_cpus()'),
    openBtf: library.func('void *btf__load_from_kernel_by_id(uint32_t id)'),
    btfData: library.func('void *btf__raw_data(void *btf, _Out_ uint32_t *size)'),
    freeBtf: library.func('void btf__free(void *btf)'),
  };
}

function testRunOptions(): ReturnType<typeof koffi.struct> {
  return koffi.struct({
    sz: 'size_t',
    data_in: 'void *',
    data_out: 'void *',
    data_size_in: 'uint32_t',
    data_size_out: 'uint32_t',
    ctx_in: 'void *',
    ctx_out: 'void *',
    ctx_size_in: 'uint32_t',
    ctx_size_out: 'uint32_t',
    retval: 'uint32_t',
    repeat: 'int',
    duration: 'uint32_t',
    flags: 'uint32_t',
    cpu: 'uint32_t',
    batch_size: 'uint32_t',
  });
}
