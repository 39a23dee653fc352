/**
 * Short lists of numbers in ascending order. Array.prototype.sort takes room for a copy at every call, which for the
 * hundred thousands of lists of two or three numbers that a compile makes is most of what there is to collect.
 */

/** Beyond this many numbers the built-in sort is faster. */
const SHORT = 32;

/** Sorts in place and takes duplicates out. Returns the list. */
export function ascending(numbers: number[]): number[] {
  if (numbers.length < 2) return numbers;
  if (numbers.length > SHORT) numbers.sort((a, b) => a - b);
  else insertionSort(numbers);
  let kept = 1;
  for (let i = 1; i < numbers.length; i++) if (numbers[i] !== numbers[i - 1]) numbers[kept++] = numbers[i]!;
  numbers.length = kept;
  return numbers;
}

function insertionSort(numbers: number[]): void {
  for (let i = 1; i < numbers.length; i++) {
    const number = numbers[i]!;
    let at = i;
    for (; at > 0 && numbers[at - 1]! > number; at--) numbers[at] = numbers[at - 1]!;
    numbers[at] = number;
  }
}
