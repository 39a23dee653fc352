/** The part of a pino logger that is used here. Keys are snake_case nouns: `container`, `interface`, `err`. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
