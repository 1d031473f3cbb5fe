import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fingerprintOf, knownKeysOf } from '#repo/blob/sftp/known-hosts.ts'

const key = Buffer.from('a host key')
const line = (hosts: string, marker = '') => `${marker}${hosts} ssh-ed25519 ${key.toString('base64')} comment\n`
const verdict = (text: string, host = 'nas.example', port = 22) => knownKeysOf(text, host, port).check(key)

describe('known hosts', () => {
  test('names, patterns and ports are matched', () => {
    expect(verdict(line('nas.example'))).toBe('known')
    expect(verdict(line('other,*.example'))).toBe('known')
    expect(verdict(line('*.example,!nas.example'))).toBe('unknown')
    expect(verdict(line('nas.example'), 'nas.example', 2222)).toBe('unknown')
    expect(verdict(line('[nas.example]:2222'), 'nas.example', 2222)).toBe('known')
  })

  test('hashed names are matched', () => {
    const salt = Buffer.from('salt')
    const hash = createHmac('sha1', salt).update('nas.example').digest('base64')
    expect(verdict(line(`|1|${salt.toString('base64')}|${hash}`))).toBe('known')
    expect(verdict(line(`|1|${salt.toString('base64')}|${hash}`), 'nas2.example')).toBe('unknown')
  })

  test('another key is different, a revoked one is revoked, an authority is no key', () => {
    expect(knownKeysOf(line('nas.example'), 'nas.example', 22).check(Buffer.from('another'))).toBe('different')
    expect(verdict(line('nas.example') + line('nas.example', '@revoked '))).toBe('revoked')
    expect(verdict(line('nas.example', '@cert-authority '))).toBe('unknown')
  })

  test('fingerprints are printed as ssh prints them', () => {
    expect(fingerprintOf(key)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
  })
})
