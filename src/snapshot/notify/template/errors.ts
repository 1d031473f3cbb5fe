import { KuraError } from '#base/errors.ts'

/** A message template that cannot be read or rendered. */
export class TemplateError extends KuraError {
  readonly code = 'TEMPLATE'
}
