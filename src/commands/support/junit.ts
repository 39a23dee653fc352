/** JUnit XML, as build servers read it. */

export interface JunitCase {
  readonly name: string;
  readonly classname: string;
  /** Undefined: it passed. */
  readonly trouble: { readonly kind: 'failure' | 'error'; readonly message: string; readonly text: string } | undefined;
}

export interface JunitSuite {
  readonly name: string;
  readonly file: string;
  readonly cases: readonly JunitCase[];
}

/** Characters that XML 1.0 cannot hold, not even escaped. */
// oxlint-disable-next-line no-control-regex -- that is what is looked for
const NOT_XML = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

export function junitXml(suites: readonly JunitSuite[]): string {
  const all = suites.flatMap(({ cases }) => cases);
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites name="sluice test"${counts(all)}>`];
  for (const { name, file, cases } of suites) {
    lines.push(`  <testsuite name="${escape(name)}" file="${escape(file)}"${counts(cases)}>`);
    for (const item of cases) lines.push(...caseLines(item));
    lines.push('  </testsuite>');
  }
  lines.push('</testsuites>');
  return `${lines.join('\n')}\n`;
}

function caseLines({ name, classname, trouble }: JunitCase): readonly string[] {
  const head = `    <testcase name="${escape(name)}" classname="${escape(classname)}"`;
  if (trouble === undefined) return [`${head}/>`];
  const { kind, message, text } = trouble;
  return [`${head}>`, `      <${kind} message="${escape(message)}">${escape(text)}</${kind}>`, '    </testcase>'];
}

function counts(cases: readonly JunitCase[]): string {
  const number = (kind: string): number => cases.filter(({ trouble }) => trouble?.kind === kind).length;
  return ` tests="${cases.length}" failures="${number('failure')}" errors="${number('error')}"`;
}

function escape(text: string): string {
  return text
    .replaceAll(NOT_XML, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
