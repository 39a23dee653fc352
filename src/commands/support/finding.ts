/** A finding of lint as a person and a program see it. */
import type { LintId, Severity } from '../../policy/lint-rules.ts';

/** As printed with -o json; docs/output.md. */
export interface Finding {
  readonly rule: LintId;
  readonly name: string;
  readonly severity: Severity;
  /** `NetworkPolicy shop/web`; empty when no object could be made out. */
  readonly object: string;
  readonly path: string;
  readonly message: string;
  readonly hint: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}
