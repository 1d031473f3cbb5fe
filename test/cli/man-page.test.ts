import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { manPage } from '#cli/man-page.ts'
import { root } from '#cli/tree.ts'

test('the manual page names every visible command and flag, and lets nothing slip into the formatter', async () => {
  const page = await manPage(root)
  expect(page).toMatch(/^\.TH KURA 1 /)
  for (const words of [
    '.SS kura snapshot create',
    '.SS kura mount',
    '\\fB\\-\\-password=',
    'Also from the variable KOPIA_PASSWORD.',
    '.SH EXIT STATUS',
  ])
    expect(page).toContain(words)
  // Every line that begins with a control character is one of ours.
  const controls = page.split('\n').filter((line) => /^[.']/.test(line))
  expect(controls.filter((line) => !/^\.(TH|SH|SS|TP|B)\b/.test(line))).toEqual([])
  expect(page.split('\n').filter((line) => line === '')).toEqual([''])
})

const hasMandoc = spawnSync('mandoc', ['-h'], { stdio: 'ignore' }).error === undefined

test.skipIf(!hasMandoc)('the manual page is read by mandoc without a complaint (skipped without mandoc)', async () => {
  const page = await manPage(root)
  const lint = spawnSync('mandoc', ['-man', '-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' })
  // The date is left out, so that equal programs have equal pages.
  expect(lint.stdout.split('\n').filter((line) => line !== '' && !/missing date/.test(line))).toEqual([])
  const text = spawnSync('mandoc', ['-man', '-T', 'utf8', '-O', 'width=80'], { input: page, encoding: 'utf8' })
  expect(text.stdout.replace(/.\u0008/g, '')).toMatch(/kura mount \[PATH\]/i)
})
