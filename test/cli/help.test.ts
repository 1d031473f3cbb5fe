import { expect, test } from 'vitest'
import { parseLine } from '#cli/argv.ts'
import { helpText, visiblePaths } from '#cli/help.ts'
import { rowLines, wrapped } from '#cli/print/columns.ts'
import { root } from '#cli/tree.ts'
import { CapturedIo } from './captured-io.ts'

test('the help of every command keeps within 80 columns and breaks no word', async () => {
  for (const path of [[], ...visiblePaths(root, [])]) {
    const line = await parseLine(path, root)
    const wide = helpText(line, { io: new CapturedIo(), env: { COLUMNS: '10000' } }, { all: true })
    const words = new Set(wide.split(/\s+/))
    const text = helpText(line, { io: new CapturedIo(), env: {} }, { all: true })
    expect(text.split(/\s+/).filter((word) => !words.has(word))).toEqual([])
    expect(text.split('\n').filter((l) => l.length > 80 && l.trim().includes(' ') && !/^ +(-|kura)/.test(l))).toEqual([])
    expect(text.split('\n').filter((l) => l.length > 100)).toEqual([])
  }
})

test('texts are broken between words, and a word that is too long stands alone', () => {
  expect(wrapped('a bb ccc dddddddddd e', 5)).toEqual(['a bb', 'ccc', 'dddddddddd', 'e'])
  expect(wrapped('', 5)).toEqual([''])
})

test('a long name has its text on the next line', () => {
  const rows = [
    { name: '  --a', text: 'first' },
    { name: `  --${'x'.repeat(40)}`, text: 'second' },
  ]
  expect(rowLines(rows, 40)).toEqual(['  --a  first', `  --${'x'.repeat(40)}`, '       second'])
})
