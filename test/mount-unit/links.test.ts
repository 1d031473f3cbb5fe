import { expect, test } from 'vitest'
import { targetInside } from '#mount/links.ts'

test.each([
  ['/home/me/docs/a', 'link', 'docs/a'],
  ['/home/me/docs/a', 'x/y/link', '../../docs/a'],
  ['/home/me', 'link', '.'],
  ['/home/me/', 'x/link', '..'],
  ['/home/me/x/../docs', 'link', 'docs'],
  ['/home/me/../you', 'link', '/home/me/../you'],
  ['/home/mean', 'link', '/home/mean'],
  ['/etc/passwd', 'link', '/etc/passwd'],
  ['docs/a', 'x/link', 'docs/a'],
])('%s, stored at %s of a snapshot of /home/me, shows %s', (target, path, shown) => {
  expect(targetInside(target, path, '/home/me')).toBe(shown)
})

test('in a snapshot of /, every absolute target is inside', () => {
  expect(targetInside('/etc/passwd', 'x/link', '/')).toBe('../etc/passwd')
})
