import { expect, test } from 'vitest'
import { openContext } from '#cli/context.ts'
import { Log } from '#cli/log.ts'
import { CapturedIo } from './captured-io.ts'

test.each([
  [true, {}, {}, true],
  [false, {}, {}, false],
  [false, { 'force-color': true }, {}, true],
  [true, { 'disable-color': true }, {}, false],
  [true, { 'force-color': true, 'disable-color': true }, {}, false],
  [true, {}, { NO_COLOR: '1' }, false],
  [true, {}, { NO_COLOR: '' }, true],
  [true, {}, { TERM: 'dumb' }, false],
])('terminal %s, flags %j, environment %j: colours %s', (isTerminal, flags, env, has) => {
  const io = new CapturedIo()
  io.outIsTerminal = isTerminal
  const context = openContext({ io, env }, { 'config-file': 'none', ...flags }, new Log([]))
  expect(context.paint.error('text') !== 'text').toBe(has)
  expect(context.paint.error('text')).toContain('text')
})
