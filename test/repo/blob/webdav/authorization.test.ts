import { expect, test } from 'vitest'
import { Authorization } from '#repo/blob/webdav/authorization.ts'

// RFC 7616, 3.9.1
const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'
const clientNonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'
const challenge = (algorithm: string) =>
  `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`

const mufasa = () => new Authorization('Mufasa', 'Circle of Life', clientNonce)

test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
])('a Digest answer with %s is that of the RFC', (algorithm, response) => {
  const user = mufasa()
  expect(user.header('GET', '/dir/index.html')).toBeUndefined()
  expect(user.accept(challenge(algorithm), undefined)).toBe(true)
  const header = user.header('GET', '/dir/index.html')
  expect(header).toContain(`response="${response}"`)
  expect(header).toContain('nc=00000001')
  expect(user.header('GET', '/dir/index.html')).toContain('nc=00000002')
})

test('the first scheme that is known is taken from several', () => {
  const user = mufasa()
  expect(user.accept(`Negotiate, ${challenge('SHA-999')}, ${challenge('MD5')}, Basic realm="x"`, undefined)).toBe(true)
  expect(user.header('GET', '/')).toMatch(/^Digest .*algorithm=MD5/)
})

test('Basic is used where nothing else is offered', () => {
  const user = new Authorization('Aladdin', 'open sesame')
  expect(user.accept('Basic realm="WallyWorld"', undefined)).toBe(true)
  expect(user.header('GET', '/')).toBe('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')
})

test('a refusal of what was sent is final, an expired nonce is not', () => {
  const user = mufasa()
  user.accept(challenge('MD5'), undefined)
  const sent = user.header('GET', '/')
  expect(user.accept(challenge('MD5'), sent)).toBe(false)
  expect(user.accept(`${challenge('MD5')}, stale=true`, sent)).toBe(true)
  expect(user.accept(challenge('MD5').replace(nonce, 'another'), sent)).toBe(true)
  const basic = new Authorization('u', 'p')
  basic.accept('Basic realm="x"', undefined)
  expect(basic.accept('Basic realm="x"', basic.header('GET', '/'))).toBe(false)
})

test('without a user name nothing is sent', () => {
  expect(new Authorization('', '').accept('Basic realm="x"', undefined)).toBe(false)
})
