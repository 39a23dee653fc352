/** Findings as SARIF 2.1.0, as code hosts show them beside the lines. */
import { LINT_RULES, type LintRule, type Severity } from '../../policy/lint-rules.ts';
import type { Finding } from './finding.ts';

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };
const SCHEMA = 'https://json.schemastore.org/sarif-2.1.0.json';

export function sarifLog(findings: readonly Finding[]): unknown {
  const ids = Object.keys(LINT_RULES);
  const rules = Object.entries<LintRule>(LINT_RULES).map(([id, { name, severity, summary }]) => ({
    id,
    name,
    shortDescription: { text: summary },
    defaultConfiguration: { level: LEVELS[severity] },
  }));
  const results = findings.map((finding) => ({
    ruleId: finding.rule,
    ruleIndex: ids.indexOf(finding.rule),
    level: LEVELS[finding.severity],
    message: { text: textOf(finding) },
    locations: finding.file === null ? [] : [locationOf(finding.file, finding)],
  }));
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [{ tool: { driver: { name: 'sluice', rules } }, columnKind: 'utf16CodeUnits', results }],
  };
}

function textOf({ object, path, message, hint }: Finding): string {
  const where = [object, path].filter((text) => text !== '').join(' ');
  return `${where === '' ? '' : `${where}: `}${message}${hint === '' ? '' : `. ${hint}`}`;
}

function locationOf(file: string, { line, column }: Finding): unknown {
  const region = line === null ? {} : { region: { startLine: line, startColumn: column ?? 1 } };
  return { physicalLocation: { artifactLocation: { uri: encodeURI(file) }, ...region } };
}
