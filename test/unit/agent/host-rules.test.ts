import { expect, test } from 'vitest';
import { forwardChain, forwardRules } from '../../../src/agent/host-rules.ts';
import { interfacePrefix } from '../../../src/agent/wiring/name.ts';

/** XT_EXTENSION_MAXNAMELEN without the NUL. */
const CHAIN_BYTES_MAX = 28;

test('the rules accept what comes from and goes to the interfaces of the instance, in a chain of its own', () => {
  expect(forwardRules('slabc')).toBe(
    [
      '*filter',
      ':SLUICE-slabc - [0:0]',
      '-A SLUICE-slabc -i slabc+ -j ACCEPT',
      '-A SLUICE-slabc -o slabc+ -j ACCEPT',
      'COMMIT',
      '',
    ].join('\n'),
  );
});

test('the chain of an instance of the longest name has a name that the kernel takes', () => {
  const chain = forwardChain(interfacePrefix('x'.repeat(32)));
  expect(chain.length).toBeLessThanOrEqual(CHAIN_BYTES_MAX);
});
