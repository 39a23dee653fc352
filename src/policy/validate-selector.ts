/** metav1.LabelSelector: NP-22 to NP-24. */
import type { LabelSelector, LabelSelectorRequirement } from './model.ts';
import { checkFields } from './validate-field.ts';
import { readLabels } from './validate-labels.ts';
import { faultOfLabelKey, faultOfLabelValue } from './validate-name.ts';
import { type Place, expectObject, field, isRecord, quote, readList, readString } from './validate-place.ts';

type Operator = LabelSelectorRequirement['operator'];
const OPERATORS: readonly Operator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
const KNOWN = ['matchLabels', 'matchExpressions'];

/** Selects everything (NP-22). */
export const EMPTY_SELECTOR: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** Absent: empty. Parts that cannot be read are reported and left out, so use the result only if nothing was reported. */
export function readLabelSelector(place: Place | undefined): LabelSelector {
  if (place === undefined || !expectObject(place)) return EMPTY_SELECTOR;
  checkSelectorFields(place);
  return {
    matchLabels: readLabels(field(place, 'matchLabels')),
    matchExpressions: readList(field(place, 'matchExpressions'))
      .map(readRequirement)
      .filter((requirement) => requirement !== undefined),
  };
}

/** `podSelector: {app: web}` is the commonest slip: the label itself where matchLabels belongs. */
function checkSelectorFields(place: Place): void {
  const misplaced: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(isRecord(place.value) ? place.value : {})) {
    if (!KNOWN.includes(key) && typeof value === 'string' && !/^match/i.test(key)) {
      misplaced[key] = 'labels go below matchLabels';
    }
  }
  checkFields(place, KNOWN, misplaced);
}

function readRequirement(place: Place): LabelSelectorRequirement | undefined {
  if (!expectObject(place)) return undefined;
  checkFields(place, ['key', 'operator', 'values'], { value: 'did you mean "values"? It is a list' });
  const key = readKey(place);
  const operator = readOperator(place);
  const values = readList(field(place, 'values')).map(readValue);
  if (operator === undefined) return undefined;
  checkValueCount(place, operator, values.length);
  if (key === undefined || values.includes(undefined)) return undefined;
  return { key, operator, values: values.filter((value) => value !== undefined) };
}

function readKey(place: Place): string | undefined {
  const at = field(place, 'key');
  if (at === undefined) place.report.error(`${place.path}.key`, 'is missing');
  const key = readString(at);
  const fault = key === undefined ? undefined : faultOfLabelKey(key);
  if (fault === undefined) return key;
  place.report.error(`${place.path}.key`, `${quote(key ?? '')} ${fault}`);
  return undefined;
}

function readOperator(place: Place): Operator | undefined {
  const at = field(place, 'operator');
  if (at === undefined) place.report.error(`${place.path}.operator`, `is missing; one of ${OPERATORS.join(', ')}`);
  const text = readString(at);
  if (text === undefined) return undefined;
  const operator = OPERATORS.find((known) => known === text);
  if (operator !== undefined) return operator;
  const meant = OPERATORS.find((known) => known.toLowerCase() === text.toLowerCase());
  const hint = meant === undefined ? undefined : `write ${meant}`;
  place.report.error(`${place.path}.operator`, `${quote(text)} is none of ${OPERATORS.join(', ')}`, hint);
  return undefined;
}

function readValue(place: Place): string | undefined {
  const value = readString(place);
  const fault = value === undefined ? undefined : faultOfLabelValue(value);
  if (fault === undefined) return value;
  place.report.error(place.path, `${quote(value ?? '')} ${fault}`);
  return undefined;
}

function checkValueCount(place: Place, operator: Operator, count: number): void {
  const path = `${place.path}.values`;
  const needsValues = operator === 'In' || operator === 'NotIn';
  if (needsValues && count === 0) place.report.error(path, `must have at least one value for ${operator}`);
  if (!needsValues && count > 0) {
    place.report.error(path, `must be empty for ${operator}`, operator === 'Exists' ? 'did you mean In?' : undefined);
  }
}
