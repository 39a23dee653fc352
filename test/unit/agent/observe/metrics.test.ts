import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AgentMetrics } from '../../../../src/agent/observe/metrics.ts';
import { API_ERROR_KINDS, type ApiErrorKind } from '../../../../src/cluster/kubernetes/api-error.ts';
import type { AgentStatus } from '../../../../src/agent/status.ts';
import { ENDPOINT, WELL } from '../../commands/sample-status.ts';

const NO_ERRORS = Object.fromEntries(API_ERROR_KINDS.map((kind) => [kind, 0])) as Record<ApiErrorKind, number>;
const AS_OF_MS = Date.parse(WELL.source.asOf);

function metricsOf(look: () => AgentStatus): AgentMetrics {
  const watches = new Map([
    [
      'Pod',
      {
        phase: 'watching' as const,
        objects: 7,
        lists: 2,
        pages: 2,
        watches: 3,
        events: 9,
        bookmarks: 1,
        duplicates: 0,
        errors: { ...NO_ERRORS, network: 2, server: 1 },
      },
    ],
  ]);
  return new AgentMetrics({
    measured: {
      status: look,
      watches: () => watches,
      podQueries: () => ({ running: 0, found: 4, absent: 1, failed: 0, refused: 2 }),
      cniLoad: () => ({ running: 1, waiting: 2 }),
    },
    version: '1.2.3',
    wallMs: () => AS_OF_MS + 2500,
  });
}

async function samples(metrics: AgentMetrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

describe('metrics', () => {
  test('say what the status says', async () => {
    const status: AgentStatus = {
      ...WELL,
      endpoints: [
        ENDPOINT,
        { ...ENDPOINT, id: 2, closed: true },
        { ...ENDPOINT, id: 3, state: 'wiring', closed: true },
      ],
      counters: [{ reason: 'allowed', direction: 'egress', packets: 12, bytes: 3400 }],
    };
    const found = await samples(metricsOf(() => status));
    expect(found.get('sluice_ready')).toBe(1);
    expect(found.get('sluice_source_age_seconds')).toBe(2.5);
    expect(found.get('sluice_tables_generation')).toBe(3);
    expect(found.get('sluice_endpoints{state="open"}')).toBe(1);
    expect(found.get('sluice_endpoints{state="closed"}')).toBe(1);
    expect(found.get('sluice_endpoints{state="wiring"}')).toBe(1);
    expect(found.get('sluice_packets_total{reason="allowed",direction="egress"}')).toBe(12);
    expect(found.get('sluice_packet_bytes_total{reason="allowed",direction="egress"}')).toBe(3400);
    expect(found.get('sluice_watch_errors_total{kind="Pod"}')).toBe(3);
    expect(found.get('sluice_cni_requests{state="waiting"}')).toBe(2);
    expect(found.get('sluice_pod_queries_total{result="found"}')).toBe(4);
    expect(found.get('sluice_routes_failed')).toBe(0);
    expect(found.get('sluice_build_info{version="1.2.3"}')).toBe(1);
  });

  test('a second look neither adds to the kernel’s counters nor keeps a series that has gone', async () => {
    let status: AgentStatus = {
      ...WELL,
      counters: [
        { reason: 'allowed', direction: 'egress', packets: 5, bytes: 50 },
        { reason: 'policy', direction: 'ingress', packets: 2, bytes: 20 },
      ],
    };
    const metrics = metricsOf(() => status);
    await metrics.text();
    status = { ...WELL, counters: [{ reason: 'allowed', direction: 'egress', packets: 6, bytes: 60 }] };
    const found = await samples(metrics);
    expect(found.get('sluice_packets_total{reason="allowed",direction="egress"}')).toBe(6);
    expect(found.has('sluice_packets_total{reason="policy",direction="ingress"}')).toBe(false);
  });

  test('before anything was seen there is no age', async () => {
    const source = { synced: false, asOf: new Date(0).toISOString(), fault: '' };
    const found = await samples(metricsOf(() => ({ ...WELL, source })));
    expect(found.has('sluice_source_age_seconds')).toBe(false);
    expect(found.get('sluice_source_synced')).toBe(0);
  });

  test('times are counted by what they are of', async () => {
    const metrics = metricsOf(() => WELL);
    metrics.observeCni('ADD', 'ok', 0.004);
    metrics.observeCni('ADD', '11', 2);
    metrics.observeRealized(0.003, false);
    metrics.observeRealized(0.02, true);
    const found = await samples(metrics);
    expect(found.get('sluice_cni_request_seconds_count{command="ADD",result="ok"}')).toBe(1);
    expect(found.get('sluice_cni_request_seconds_bucket{le="2.5",command="ADD",result="11"}')).toBe(1);
    expect(found.get('sluice_change_realize_seconds_bucket{le="0.005"}')).toBe(1);
    expect(found.get('sluice_pod_address_realize_seconds_sum')).toBe(0.02);
  });

  test('docs/metrics.md lists exactly what Sluice exposes', () => {
    const listed = [...readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(sluice_\w+)`/gm)].map(
      ([, name]) => name,
    );
    const exposed = metricsOf(() => WELL)
      .names()
      .filter((name) => name.startsWith('sluice_'));
    expect(new Set(listed)).toEqual(new Set(exposed));
  });

  test('the dashboard asks only for metrics that there are', () => {
    const dashboard = readFileSync('deploy/dashboards/sluice.json', 'utf8');
    const asked = new Set(
      [...dashboard.matchAll(/\b(sluice_\w+?)(?:_bucket|_sum|_count)?\b(?=[[{ )\\"])/g)].map(([, name]) => name),
    );
    const exposed = new Set(metricsOf(() => WELL).names());
    expect(asked.size).toBeGreaterThan(10);
    expect([...asked].filter((name) => !exposed.has(name!))).toEqual([]);
  });
});
