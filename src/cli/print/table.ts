/** A row of a label, a value and where the value comes from; value and origin may be empty. */
export interface Row {
  readonly label: string
  readonly value?: string
  readonly origin?: string
}

/** Lines in which values end in one column and origins follow (spec 06, 10.1). */
export function alignRows(rows: readonly Row[]): string[] {
  const width = Math.max(0, ...rows.filter((r) => r.value).map((r) => lengthOf(r.label) + 3 + lengthOf(r.value as string)))
  return rows.map(({ label, value = '', origin = '' }) => {
    if (value === '' && origin === '') return label
    const padded = label + ' '.repeat(Math.max(0, width - lengthOf(label) - lengthOf(value))) + value
    return origin === '' ? padded : `${padded}   ${origin}`
  })
}

const lengthOf = (text: string): number => Buffer.byteLength(text)
