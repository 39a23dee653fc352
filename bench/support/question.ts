/** What every file of bench/ exports as `question`. */
import type { Figure } from './figure.ts';

export interface QuestionOptions {
  /** Of each comparison, interleaved. */
  readonly rounds: number;
  /** Tells what is under way, on stderr. */
  readonly tell: (line: string) => void;
}

export interface Question {
  /** As in `make bench ONLY=name`. */
  readonly name: string;
  readonly asks: string;
  /** Removes all that it made, also when it fails. */
  readonly run: (options: QuestionOptions) => Promise<readonly Figure[]>;
}
