import { beforeEach, expect, test } from 'vitest';
import { SnapshotPodLookup } from '../../../src/agent/pod-lookup.ts';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import type { ClusterSource, PodInquiry } from '../../../src/cluster/source.ts';
import { CniCode } from '../../../src/cni/error.ts';
import type { Pod } from '../../../src/policy/model.ts';
import { makePod } from '../../support/policy-builders.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const NEVER = new AbortController().signal;
const POD: Pod = makePod('web', { uid: 'ours' });
const NAMED = { namespace: POD.namespace, name: POD.name, uid: POD.uid };

let clock: FakeClock;
let snapshot: Snapshot;
let notReady: string | undefined;
/** Undefined: the source has nobody to ask. */
let inquire: ClusterSource['inquire'] | undefined;
let questions: number;

beforeEach(() => {
  clock = new FakeClock();
  snapshot = new Snapshot();
  notReady = undefined;
  questions = 0;
  inquire = async () => answer({ kind: 'unknown', reason: 'the API server has no such pod' });
});

function answer(inquiry: PodInquiry): PodInquiry {
  questions += 1;
  return inquiry;
}

function set(pod: Pod): void {
  snapshot.apply([{ kind: 'Pod', op: 'set', object: pod }]);
}

/** Time passes until it is found or refused. */
async function find(
  named: object = NAMED,
  signal = NEVER,
  during: (ms: number) => void = () => undefined,
): Promise<Pod> {
  const readiness = { reason: () => notReady };
  const source = inquire === undefined ? {} : { inquire };
  const lookup = new SnapshotPodLookup({ snapshot, source, readiness, podWaitMs: 5_000, clock });
  const state = { isOver: false };
  const end = (): void => {
    state.isOver = true;
  };
  const found = lookup.find(named, signal);
  found.then(end, end);
  for (let ms = 0; !state.isOver && ms < 10_000; ms += 20) {
    during(ms);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  return found;
}

test('a pod that is known is found without a question', async () => {
  set(POD);
  expect(await find()).toEqual(POD);
  expect(questions).toBe(0);
});

test('NP-124: one that the watch brings in a moment is waited for, without a question', async () => {
  expect(await find(NAMED, NEVER, (ms) => ms === 100 && set(POD))).toEqual(POD);
  expect(questions).toBe(0);
});

test('NP-124: when the watch lags the source is asked, and again', async () => {
  inquire = async () => {
    if (questions === 2) set(POD);
    return answer(questions === 2 ? { kind: 'known' } : { kind: 'unknown', reason: 'no answer' });
  };
  expect(await find()).toEqual(POD);
  expect(questions).toBe(3);
});

test('NP-125: another pod of the name is not it', async () => {
  set(makePod('web', { uid: 'theirs' }));
  await expect(find()).rejects.toMatchObject({
    code: CniCode.tryAgain,
    message: 'pod default/web has uid theirs, not ours',
    details: 'waited 5 s; asked for it: the API server has no such pod',
  });
  expect(questions).toBe(5);
});

test('a source that cannot be asked, and a question that fails, lead to the same in the end', async () => {
  inquire = undefined;
  await expect(find()).rejects.toMatchObject({ code: CniCode.tryAgain, details: 'waited 5 s' });
  inquire = () => Promise.reject(new Error('no memory'));
  await expect(find()).rejects.toMatchObject({ details: 'waited 5 s; asking for it failed: no memory' });
});

test('before the desired state is known nothing is found, and the reason is told', async () => {
  set(POD);
  notReady = 'the desired state is not known yet: Pod: connection refused';
  await expect(find()).rejects.toMatchObject({ code: CniCode.tryAgain, message: notReady });
  expect(questions).toBe(0);
});

test('the wait ends when the runtime gives up, and so does the question', async () => {
  const gone = new AbortController();
  let asked: AbortSignal | undefined;
  inquire = (_namespace, _name, _uid, signal) => {
    asked = signal;
    return new Promise(() => undefined);
  };
  const found = find(NAMED, gone.signal, (ms) => ms === 1_000 && gone.abort());
  await expect(found).rejects.toMatchObject({ code: CniCode.tryAgain, message: 'the runtime has given up' });
  expect(asked?.aborted).toBe(true);
});

test('what is not named, and a pod of the host network, is refused at once', async () => {
  await expect(find({ namespace: 'shop' })).rejects.toMatchObject({ code: CniCode.invalidEnvironment });
  set(makePod('web', { uid: 'ours', hostNetwork: true }));
  await expect(find()).rejects.toMatchObject({ code: CniCode.invalidEnvironment });
});
