/** What the commands that judge manifests end with. */

/** The answer is yes; nothing was found. */
const EXIT_OK = 0;
/** The answer is no; something was found. */
export const EXIT_NO = 1;
/** The command line or the input is wrong. */
export const EXIT_INPUT = 2;

/** The worse of what is said already and this. */
export function endWith(code: number): void {
  process.exitCode = Math.max(Number(process.exitCode ?? EXIT_OK), code);
}
