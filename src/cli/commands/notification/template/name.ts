import type { Positional } from '#cli/flag.ts'

export const templateName = { name: 'template', type: 'string', required: true } as const satisfies Positional
