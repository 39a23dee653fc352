/** Labels and annotations. The result has no prototype: `constructor` is a label key like any other. */
import type { Labels } from './model.ts';
import { faultOfLabelKey, faultOfLabelValue } from './validate-name.ts';
import { type Place, quote, readEntries, readString } from './validate-place.ts';

/** Keys and values are checked; wrong ones are reported and left out. */
export function readLabels(place: Place | undefined): Labels {
  return readMap(place, faultOfLabelValue);
}

/** The same keys, any text as value. */
export function readAnnotations(place: Place | undefined): Labels {
  return readMap(place, () => undefined);
}

function readMap(place: Place | undefined, faultOfValue: (text: string) => string | undefined): Labels {
  const labels: Record<string, string> = Object.create(null);
  for (const [key, item] of readEntries(place)) {
    const { report, path } = item;
    const keyFault = faultOfLabelKey(key);
    if (keyFault !== undefined) report.error(path, `the key ${quote(key)} ${keyFault}`);
    const value = readString(item);
    if (value === undefined) continue;
    const valueFault = faultOfValue(value);
    if (valueFault !== undefined) report.error(path, `${quote(value)} ${valueFault}`);
    if (keyFault === undefined && valueFault === undefined) labels[key] = value;
  }
  return labels;
}
