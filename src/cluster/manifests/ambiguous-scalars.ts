import { type Document, visit } from 'yaml';

export interface AmbiguousScalar {
  readonly offset: number;
  readonly message: string;
}

const BOOLEAN_IN_1_1 = /^(yes|no|on|off)$/i;
const OCTAL_IN_1_1 = /^[-+]?0[0-7_]+$/;

/** Plain values which YAML 1.1, and so kubectl, reads as something else than YAML 1.2. */
export function findAmbiguousScalars(documents: readonly Document.Parsed[]): readonly AmbiguousScalar[] {
  const found: AmbiguousScalar[] = [];
  for (const document of documents) {
    visit(document, {
      Scalar: (key, { type, source, range }) => {
        if (key === 'key' || type !== 'PLAIN' || source === undefined) return;
        const offset = range?.[0] ?? 0;
        if (BOOLEAN_IN_1_1.test(source)) {
          found.push({ offset, message: `${source} is the word "${source}" here and a boolean to kubectl` });
        } else if (OCTAL_IN_1_1.test(source)) {
          found.push({ offset, message: `${source} is decimal here and octal to kubectl` });
        }
      },
    });
  }
  return found;
}
