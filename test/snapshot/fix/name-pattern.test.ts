import { expect, it } from 'vitest'
import { UsageError } from '#base/errors.ts'
import { compileNamePattern } from '#snapshot/fix/name-pattern.ts'

it.each([
  ['*.txt', 'a.txt', true],
  ['*.txt', 'a.txt2', false],
  ['*', 'a/b', false],
  ['a?c', 'abc', true],
  ['a?c', 'a/c', false],
  ['a?c', 'aéc', true],
  ['[a-c]x', 'bx', true],
  ['[^a-c]x', 'bx', false],
  ['[^a-c]x', 'dx', true],
  ['[^a]x', '/x', false],
  ['[\\]]', ']', true],
  ['[z-a]', 'm', false],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['a+b(', 'a+b(', true],
  ['', '', true],
  ['😀?', '😀😀', true],
])('%s on %s: %s', (pattern, name, expected) => {
  expect(compileNamePattern(pattern)(name)).toBe(expected)
})

it.each(['[', '[a', '[]a]', '[-a]', 'a\\', '[a-]', '[^]'])('refuses %s', (pattern) => {
  expect(() => compileNamePattern(pattern)).toThrow(UsageError)
})
