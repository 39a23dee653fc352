/**
 * Makes many requests for the same work cost few runs. Of the function given back:
 * 1. a call is answered by a run of `task` that began after the call, so it sees everything the caller did before;
 * 2. at most one run is under way and at most one waits, however many calls there are.
 * A run that fails rejects the calls it answers, and no others.
 */
export function coalesce<T>(task: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<T> | undefined;
  const begin = (): Promise<T> => {
    waiting = undefined;
    const run = task();
    running = run;
    return run;
  };
  return () => (waiting ??= running.then(begin, begin));
}
