/** Prints what happens, one line a step with the time it took. */
import { styleText } from 'node:util';

const TITLE_WIDTH = 66;

export class Stage {
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  /** Runs the step, then prints its title (made from its result) and time. */
  async step<T>(title: (result: T) => string, run: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await run();
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    this.line(`${styleText('green', '✓')} ${title(result).padEnd(TITLE_WIDTH)} ${styleText('dim', `${seconds} s`)}`);
    return result;
  }
}
