/** What CHECK and GC find in the network configuration beside that of the plugin (CNI-40, CNI-51, CNI-52). */
import { z } from 'zod';
import { CniCode, CniError } from './error.ts';
import { VALID_ATTACHMENTS_MAX } from './limits.ts';
import type { Attachment } from './request.ts';

const VALID_ATTACHMENTS = 'cni.dev/valid-attachments';

/** The result of the ADD as the runtime keeps it; plugins behind this one may have added to it. */
export interface PrevResult {
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac?: string | undefined;
    readonly sandbox?: string | undefined;
  }[];
  /** With prefix length. */
  readonly ips: readonly { readonly address: string }[];
}

const prevResultSchema = z.object({
  interfaces: z
    .array(z.object({ name: z.string(), mac: z.string().optional(), sandbox: z.string().optional() }))
    .nullish(),
  ips: z.array(z.object({ address: z.string() })).nullish(),
});

const attachmentsSchema = z.array(z.object({ containerID: z.string().min(1), ifname: z.string().min(1) }));

/** @throws CniError code 7 when it is missing or no result. */
export function parsePrevResult(config: Readonly<Record<string, unknown>>): PrevResult {
  const value = config['prevResult'];
  if (value === undefined || value === null) {
    throw new CniError(
      CniCode.invalidConfig,
      'CHECK needs prevResult, the result of the ADD',
      'the runtime keeps it in its cache; without it only another ADD helps',
    );
  }
  const parsed = prevResultSchema.safeParse(value);
  if (parsed.success) return { interfaces: parsed.data.interfaces ?? [], ips: parsed.data.ips ?? [] };
  throw new CniError(CniCode.invalidConfig, `prevResult is no result: ${problemsOf(parsed.error)}`);
}

/**
 * The attachments that stay; everything else of the network is to go. An empty list means that nothing stays.
 * @throws CniError code 7 when the list is missing, too: that says nothing, and is never taken for an empty one.
 */
export function parseValidAttachments(config: Readonly<Record<string, unknown>>): readonly Attachment[] {
  const value = config[VALID_ATTACHMENTS];
  if (value === undefined || value === null) {
    throw new CniError(
      CniCode.invalidConfig,
      `GC needs "${VALID_ATTACHMENTS}"`,
      'an empty list would remove every attachment of the network; a missing one removes nothing',
    );
  }
  const parsed = attachmentsSchema.max(VALID_ATTACHMENTS_MAX).safeParse(value);
  if (!parsed.success) {
    throw new CniError(CniCode.invalidConfig, `"${VALID_ATTACHMENTS}" is not valid: ${problemsOf(parsed.error)}`);
  }
  return parsed.data.map(({ containerID, ifname }) => ({ containerId: containerID, ifname }));
}

function problemsOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}
