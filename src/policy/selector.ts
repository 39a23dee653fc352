/**
 * Label selectors, compiled once and asked often. The text of a selector is canonical: two selectors with equal texts
 * select the same objects, and a person can read it.
 *
 * Matching (NP-22 to NP-24): 1. no requirement selects everything; 2. all requirements must hold; 3. NotIn holds when
 * the key is absent; 4. a selector that the API would reject (In or NotIn without a value, Exists or DoesNotExist with
 * one) selects nothing.
 */
import type { Labels, LabelSelector, LabelSelectorRequirement } from './model.ts';

/** A label that an object must have for the selector to select it. */
export interface RequiredLabel {
  readonly key: string;
  /** Any of these. */
  readonly values: readonly string[];
}

export interface Selector {
  readonly text: string;
  /** The most selective label that every selected object has; undefined when there is none. */
  readonly required: RequiredLabel | undefined;
  matches(labels: Labels): boolean;
}

interface Requirement {
  readonly key: string;
  readonly operator: LabelSelectorRequirement['operator'];
  readonly values: ReadonlySet<string>;
}

const NOTHING: Selector = { text: '(nothing)', required: { key: '', values: [] }, matches: () => false };
const EVERYTHING: Selector = { text: '(all)', required: undefined, matches: () => true };
const PLAIN = /^[A-Za-z0-9._/-]+$/;

/** Selector with a canonical text. */
export function compileSelector(selector: LabelSelector): Selector {
  const byText = new Map<string, Requirement>();
  for (const requirement of requirementsOf(selector)) {
    if (!isValid(requirement)) return NOTHING;
    byText.set(requirementText(requirement), requirement);
  }
  if (byText.size === 0) return EVERYTHING;
  const texts = [...byText.keys()].sort();
  const requirements = [...byText.values()];
  return {
    text: texts.join(','),
    required: requiredLabel(requirements),
    matches: (labels) => requirements.every((requirement) => holds(requirement, labels)),
  };
}

function* requirementsOf(selector: LabelSelector): Generator<Requirement> {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    yield { key, operator: 'In', values: new Set([value]) };
  }
  for (const { key, operator, values } of selector.matchExpressions) yield { key, operator, values: new Set(values) };
}

function isValid({ operator, values }: Requirement): boolean {
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.size > 0;
    case 'Exists':
    case 'DoesNotExist':
      return values.size === 0;
  }
}

/** Labels are data: a key such as `constructor` must not find what every object inherits. */
function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.has(value);
    case 'NotIn':
      return value === undefined || !values.has(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function requirementText({ key, operator, values }: Requirement): string {
  const name = quote(key);
  const list = [...values].map(quote).sort();
  switch (operator) {
    case 'In':
      return list.length === 1 ? `${name}=${list[0]}` : `${name} in (${list.join('|')})`;
    case 'NotIn':
      return list.length === 1 ? `${name}!=${list[0]}` : `${name} notin (${list.join('|')})`;
    case 'Exists':
      return `${name} exists`;
    case 'DoesNotExist':
      return `${name} absent`;
  }
}

function quote(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text);
}

function requiredLabel(requirements: readonly Requirement[]): RequiredLabel | undefined {
  let best: Requirement | undefined;
  for (const requirement of requirements) {
    if (requirement.operator !== 'In') continue;
    if (best === undefined || requirement.values.size < best.values.size) best = requirement;
  }
  return best && { key: best.key, values: [...best.values] };
}
