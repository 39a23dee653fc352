/** Labels and annotations. The result has no prototype: `constructor` is a label key like any other. */
import type { Labels } from './model.ts';
import { faultOfLabelKey, faultOfLabelValue } from './validate-name.ts';
import { type Place, quote, readEntries, readString } from './validate-place.ts';

type Fault = (text: string) => string | undefined;

/** Keys and values are checked; wrong ones are reported and left out. */
export function readLabels(place: Place | undefined): Labels {
  return readMap(place, faultOfLabelKey, faultOfLabelValue);
}

/** Keys are those of labels, but for capitals in the prefix, which the API lets pass here; any text is a value. */
export function readAnnotations(place: Place | undefined): Labels {
  return readMap(
    place,
    (key) => faultOfLabelKey(key.toLowerCase()),
    () => undefined,
  );
}

function readMap(place: Place | undefined, faultOfKey: Fault, faultOfValue: Fault): Labels {
  const labels: Record<string, string> = Object.create(null);
  for (const [key, item] of readEntries(place)) {
    const { report, path } = item;
    const keyFault = faultOfKey(key);
    if (keyFault !== undefined) report.error(path, `the key ${quote(key)} ${keyFault}`);
    const value = readString(item);
    if (value === undefined) continue;
    const valueFault = faultOfValue(value);
    if (valueFault !== undefined) report.error(path, `${quote(value)} ${valueFault}`);
    if (keyFault === undefined && valueFault === undefined) labels[key] = value;
  }
  return labels;
}
