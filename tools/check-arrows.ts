/**
 * Holds the import arrows of ARCHITECTURE.md: which folder of src/ may import which, who may use node: modules, and
 * which packages belong to one folder alone. Prints each arrow that points the wrong way and exits 1.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

interface FolderRule {
  /** Other folders of src/ that it may import. */
  readonly imports: readonly string[];
  /** Whether node: modules may be used. */
  readonly node: boolean;
  /** npm packages that it may use. */
  readonly packages: readonly string[];
}

const RULES: Readonly<Record<string, FolderRule>> = {
  net: { imports: [], node: false, packages: [] },
  lib: { imports: [], node: true, packages: [] },
  policy: { imports: ['net', 'lib'], node: false, packages: [] },
  service: { imports: ['net', 'lib'], node: false, packages: [] },
  cluster: { imports: ['net', 'lib', 'policy', 'service'], node: true, packages: ['@kubernetes/client-node', 'yaml'] },
  kernel: { imports: ['net', 'lib'], node: true, packages: ['koffi'] },
  datapath: { imports: ['net', 'lib', 'policy', 'service', 'kernel'], node: true, packages: [] },
  cni: { imports: ['net', 'lib'], node: true, packages: ['zod'] },
  ipam: { imports: ['net', 'lib'], node: true, packages: ['ip-cidr', 'zod'] },
  agent: {
    imports: ['net', 'lib', 'policy', 'service', 'cluster', 'kernel', 'datapath', 'cni', 'ipam'],
    node: true,
    packages: ['@prometheus-io/client', 'pino', 'yaml', 'zod'],
  },
  commands: {
    imports: ['net', 'lib', 'policy', 'service', 'cluster', 'kernel', 'datapath', 'cni', 'ipam', 'agent'],
    node: true,
    packages: ['commander', 'pino', 'yaml'],
  },
  'main.ts': { imports: ['commands', 'lib'], node: true, packages: ['commander'] },
};

/** Only the adapter to the kernel knows it; the memory datapath and everything pure does not. */
const KERNEL_USERS = /^src\/(kernel|datapath\/ebpf|agent|commands)\//;

/** Statements at the start of a line, and import(): text that only looks like them is indented or quoted. */
const SPECIFIER = /^(?:import|export)\b[^;'`]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

function folderOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function problemsOf(file: string): string[] {
  const folder = folderOf(file);
  const rule = RULES[folder];
  if (rule === undefined) return [`${file}: no rule for src/${folder}; add it to tools/check-arrows.ts`];
  const problems: string[] = [];
  for (const [, from, bare, dynamic] of readFileSync(file, 'utf8').matchAll(SPECIFIER)) {
    const specifier = from ?? bare ?? dynamic ?? '';
    if (specifier.startsWith('.')) {
      const target = relative('.', join(dirname(file), specifier));
      const to = folderOf(target);
      if (target === 'package.json') continue;
      if (!target.startsWith('src/')) problems.push(`${file} imports ${target}, which is not part of src/`);
      else if (to !== folder && !rule.imports.includes(to)) problems.push(`${file}: ${folder} may not import ${to}`);
      else if (to === 'kernel' && !KERNEL_USERS.test(file)) problems.push(`${file} may not import src/kernel`);
    } else if (specifier.startsWith('node:')) {
      if (!rule.node) problems.push(`${file}: ${folder} is pure and may not use ${specifier}`);
    } else {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      if (!rule.packages.includes(name)) problems.push(`${file}: ${folder} may not use the package ${name}`);
    }
  }
  return problems;
}

const problems = globSync('src/**/*.ts').toSorted().flatMap(problemsOf);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
