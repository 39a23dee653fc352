/**
 * The text of one manifest file -> the Kubernetes objects in it, still raw, lists taken apart. Knows YAML, JSON and what
 * every object has; not what any kind means. Never throws on bad text: that is a problem, and the file is incomplete.
 *
 * YAML is read by version 1.2. `yes` is a word there and 010 is ten, unlike in version 1.1, which kubectl reads:
 * such values are warned of.
 */
import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { errorMessage } from '../../lib/errors.ts';
import type { ObjectProblem, ObjectReference, TextPlace } from '../source.ts';
import { findDoubtfulNodes } from './doubtful-nodes.ts';
import {
  ALIASES_MAX,
  JSON_BYTES_MAX,
  JSON_BYTES_PLACED_MAX,
  LIST_DEPTH_MAX,
  SYNTAX_PROBLEMS_MAX,
  YAML_BYTES_MAX,
} from './limits.ts';
import { offsetOf, placeAt } from './text-place.ts';

export type RawFields = Readonly<Record<string, unknown>>;

export interface RawObject {
  readonly reference: ObjectReference;
  readonly fields: RawFields;
  /** Where a field of the object stands; undefined when the file is read without places. */
  readonly place: (path: string) => TextPlace | undefined;
}

export interface ParsedManifest {
  readonly objects: readonly RawObject[];
  readonly problems: readonly ObjectProblem[];
  /** False: there is something in the file that could not be made out, so what it does not name may still be meant. */
  readonly complete: boolean;
}

type Locate = (path: string) => TextPlace | undefined;

/** How many bytes a file of that name may have. */
export function bytesMax(file: string): { readonly limit: string; readonly bytes: number } {
  return file.endsWith('.json')
    ? { limit: 'JSON_BYTES_MAX', bytes: JSON_BYTES_MAX }
    : { limit: 'YAML_BYTES_MAX', bytes: YAML_BYTES_MAX };
}

export function parseManifest(file: string, text: string): ParsedManifest {
  const reader = new ManifestReader(file, text);
  if (file.endsWith('.json') && text.length > JSON_BYTES_PLACED_MAX) reader.readLargeJson();
  else reader.readYaml();
  return reader.result();
}

/** Gathers what one file holds. */
class ManifestReader {
  readonly #file: string;
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #problems: ObjectProblem[] = [];
  #objects: RawObject[] = [];
  #complete = true;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
  }

  result(): ParsedManifest {
    return { objects: this.#objects, problems: this.#problems, complete: this.#complete };
  }

  readLargeJson(): void {
    let value: unknown;
    try {
      value = JSON.parse(this.#text);
    } catch (error) {
      this.#fail(undefined, `is no JSON: ${errorMessage(error)}`);
      return;
    }
    this.#expand(value, '', () => undefined, 0);
  }

  readYaml(): void {
    const options = { lineCounter: this.#lines, prettyErrors: false, logLevel: 'silent', uniqueKeys: false } as const;
    const documents = [...parseAllDocuments(this.#text, options)];
    for (const { errors } of documents) {
      for (const error of errors) this.#fail(this.#at(error.pos[0]), readable(error.message));
    }
    const { repeatedKeys, ambiguousValues } = findDoubtfulNodes(documents, SYNTAX_PROBLEMS_MAX);
    for (const { offset, message } of repeatedKeys) this.#fail(this.#at(offset), message, 'remove one of the two');
    if (!this.#complete) {
      this.#problems.splice(SYNTAX_PROBLEMS_MAX);
      return;
    }
    for (const document of documents) this.#readDocument(document);
    for (const { offset, message } of this.#file.endsWith('.json') ? [] : ambiguousValues) {
      this.#add('warning', this.#at(offset), message, 'put it in quotation marks, or write it another way');
    }
  }

  #readDocument(document: Document.Parsed): void {
    for (const warning of document.warnings) this.#add('warning', this.#at(warning.pos[0]), warning.message);
    const { contents } = document;
    if (contents === null) return;
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      const bomb = errorMessage(error).includes('alias count');
      const message = bomb
        ? `aliases stand for more than ALIASES_MAX, ${ALIASES_MAX}, nodes`
        : readable(errorMessage(error));
      this.#fail(this.#at(contents.range[0]), message);
      return;
    }
    if (value === null) return;
    this.#expand(value, '', (path) => this.#at(offsetOf(contents, path)), 0);
  }

  /** One object, or the items of a list of them. */
  #expand(value: unknown, path: string, locate: Locate, depth: number, itemOf?: ItemDefaults): void {
    if (!isFields(value)) {
      this.#fail(locate(path), 'is no Kubernetes object', 'an object starts with apiVersion and kind');
      return;
    }
    const apiVersion = value['apiVersion'] ?? itemOf?.apiVersion;
    const kind = value['kind'] ?? itemOf?.kind;
    if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '') {
      this.#fail(locate(path), 'has no apiVersion or no kind', 'an object starts with apiVersion and kind');
      return;
    }
    const items = value['items'] ?? [];
    if (kind.endsWith('List') && Array.isArray(items)) {
      this.#expandList(items, { apiVersion, kind }, path, locate, depth);
      return;
    }
    const fields = { ...value, apiVersion, kind };
    const prefix = path === '' ? '' : `${path}.`;
    const place: Locate = (field) => locate(field === '' ? path : `${prefix}${field}`);
    this.#objects.push({ reference: readReference(fields, apiVersion, kind), fields, place });
  }

  #expandList(items: readonly unknown[], list: ItemDefaults, path: string, locate: Locate, depth: number): void {
    if (depth === LIST_DEPTH_MAX) {
      this.#fail(locate(path), `lists are nested deeper than LIST_DEPTH_MAX, ${LIST_DEPTH_MAX}`);
      return;
    }
    // The items of a typed list as the API gives it have no type of their own.
    const kind = list.kind.slice(0, -'List'.length);
    const defaults = kind === '' ? undefined : { apiVersion: list.apiVersion, kind };
    for (const [i, item] of items.entries()) {
      this.#expand(item, `${path === '' ? '' : `${path}.`}items[${i}]`, locate, depth + 1, defaults);
    }
  }

  #at(offset: number): TextPlace {
    return placeAt(this.#text, this.#lines, offset);
  }

  #fail(place: TextPlace | undefined, message: string, hint = ''): void {
    this.#complete = false;
    this.#add('error', place, message, hint);
  }

  #add(severity: ObjectProblem['severity'], place: TextPlace | undefined, message: string, hint = ''): void {
    this.#problems.push({ severity, object: undefined, file: this.#file, place, path: '', message, hint });
  }
}

/** The library goes down a document by recursion. */
function readable(message: string): string {
  return message.startsWith('Maximum call stack') ? 'is nested too deeply to be read' : message;
}

interface ItemDefaults {
  readonly apiVersion: string;
  readonly kind: string;
}

function isFields(value: unknown): value is RawFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readReference(fields: RawFields, apiVersion: string, kind: string): ObjectReference {
  const metadata = isFields(fields['metadata']) ? fields['metadata'] : {};
  return { apiVersion, kind, namespace: textOrEmpty(metadata['namespace']), name: textOrEmpty(metadata['name']) };
}

function textOrEmpty(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
