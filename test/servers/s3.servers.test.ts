import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, HeadObjectCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BlobNotFoundError, CredentialsError, ReadOnlyStorageError, StorageError } from '#repo/blob/errors.ts'
import { openStorage } from '#repo/blob/registry.ts'
import { s3Backend } from '#repo/blob/s3/s3.ts'
import type { BlobStorage } from '#repo/blob/storage.ts'
import { retrying } from '#repo/blob/wrap/retry.ts'
import { conformance, listed } from '../support/blob-conformance.ts'
import { scratchFolders } from '../support/scratch.ts'
import { startMoto, startS3rver, type TestServer, whyNoServers } from './object-stores.ts'

const scratch = scratchFolders()
const cannot = {
  'a modification time that was asked for is kept': 'S3 cannot set times',
  'a put that must not replace is BlobExistsError and changes nothing': 'S3 of Kopia does not support it (spec 04, 4.1.4)',
}
const bytes = (text: string) => Buffer.from(text)
const hourNs = 3_600_000_000_000n
let count = 0

describe.skipIf(whyNoServers !== undefined)(`s3 on real servers${whyNoServers ? ` (skipped: ${whyNoServers})` : ''}`, () => {
  let moto: TestServer
  let s3rver: TestServer
  let secure: TestServer
  let certificate = ''
  let admin: S3Client

  beforeAll(async () => {
    const folder = scratch()
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, ...subject],
      {
        stdio: 'ignore',
      },
    )
    certificate = readFileSync(cert).toString('base64')
    ;[moto, s3rver, secure] = await Promise.all([startMoto(), startS3rver(), startS3rver(['--key', key, '--cert', cert])])
    admin = new S3Client({
      endpoint: `http://127.0.0.1:${moto.port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    })
  })
  afterAll(async () => {
    admin?.destroy()
    await Promise.all([moto?.stop(), s3rver?.stop(), secure?.stop()])
  })

  const newBucket = async (lock = false): Promise<string> => {
    const Bucket = `kura-${process.pid}-${count++}`
    await admin.send(new CreateBucketCommand({ Bucket, ...(lock ? { ObjectLockEnabledForBucket: true } : {}) }))
    return Bucket
  }
  const onMoto = (bucket: string, extra: object = {}): Promise<BlobStorage> => {
    const config = { bucket, endpoint: `127.0.0.1:${moto.port}`, accessKeyID: 'a', secretAccessKey: 'b', doNotUseTLS: true, ...extra }
    return openStorage({ type: 's3', config }, false)
  }
  const onS3rver = async (extra: object = {}, server: TestServer = s3rver): Promise<BlobStorage> => {
    const config = {
      bucket: 'kura-test',
      prefix: `case-${count++}-`,
      endpoint: `127.0.0.1:${server.port}`,
      region: 'us-east-1',
      accessKeyID: 'S3RVER',
      secretAccessKey: 'S3RVER',
      doNotUseTLS: server === s3rver,
      ...extra,
    }
    return s3Backend.open(s3Backend.parse(config), false)
  }

  conformance('s3 on moto', async () => onMoto(await newBucket()), cannot)
  conformance('s3 on moto, with a prefix', async () => onMoto(await newBucket(), { prefix: 'deep/er/' }), cannot)
  conformance('s3 on s3rver', async () => retrying()(await onS3rver()), {
    ...cannot,
    'readers see one whole version while a blob is replaced': 's3rver writes over the file that it serves; moto does not',
  })

  describe('TLS', () => {
    test('a certificate of nobody known is refused, and the message says so', async () => {
      await expect(onS3rver({}, secure)).rejects.toThrow(/certificate is not trusted/)
    })
    test.each(['rootCA', 'doNotVerifyTLS'])('the server is trusted by %s', async (name) => {
      const storage = await onS3rver({ [name]: name === 'rootCA' ? certificate : true }, secure)
      await storage.put('a', [bytes('over TLS')])
      expect((await storage.get('a')).toString()).toBe('over TLS')
      await storage.close()
    })
    test('plain text spoken to a TLS server is an error, not a hang', async () => {
      await expect(onS3rver({ doNotUseTLS: true }, secure)).rejects.toThrow(/bucket kura-test at 127/)
    })
  })

  describe('wrong input', () => {
    test('a bucket that is not there', async () => {
      await expect(onMoto('no-such-bucket-here')).rejects.toThrow(/no such bucket.*--bucket/)
    })
    test('an unknown key is CredentialsError, and its secret does not appear in it', async () => {
      const failure = await onS3rver({ accessKeyID: 'nobody', secretAccessKey: 'wr0ng-secret' }).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(CredentialsError)
      expect(String(failure)).toContain('--secret-access-key')
      expect(String(failure)).not.toContain('wr0ng-secret')
    })
    test('a .storageconfig that is not JSON', async () => {
      const Bucket = await newBucket()
      await admin.send(new PutObjectCommand({ Bucket, Key: '.storageconfig', Body: '{"blobOptions":[' }))
      await expect(onMoto(Bucket)).rejects.toThrow(/\.storageconfig/)
    })
  })

  test('.storageconfig gives each blob its class, and is not a blob itself', async () => {
    const Bucket = await newBucket()
    const rules = {
      blobOptions: [{ prefix: 'p', storageClass: 'STANDARD_IA' }, { prefix: 'q', storageClass: '' }, { storageClass: 'ONEZONE_IA' }],
    }
    await admin.send(new PutObjectCommand({ Bucket, Key: '.storageconfig', Body: JSON.stringify(rules) }))
    const storage = await onMoto(Bucket)
    for (const id of ['p1', 'q1', 'x1']) await storage.put(id, [bytes(id)])
    expect(await listed(storage, '')).toEqual(['p1', 'q1', 'x1'])
    const classes = await Promise.all(
      ['p1', 'q1', 'x1'].map(async (Key) => (await admin.send(new HeadObjectCommand({ Bucket, Key }))).StorageClass),
    )
    expect(classes).toEqual(['STANDARD_IA', undefined, 'ONEZONE_IA'])
    await storage.close()
  })

  test('objects of others below the prefix are not blobs', async () => {
    const Bucket = await newBucket()
    await admin.send(new PutObjectCommand({ Bucket, Key: 'folder/kopia.repository', Body: 'x' }))
    const storage = await onMoto(Bucket)
    expect(await listed(storage, '')).toEqual([])
    await storage.close()
  })

  test('a list of more than one page is whole', async () => {
    const Bucket = await newBucket()
    const storage = await onMoto(Bucket)
    const ids = Array.from({ length: 1003 }, (_, i) => `p${String(i).padStart(5, '0')}`)
    for (let at = 0; at < ids.length; at += 20)
      await Promise.all(ids.slice(at, at + 20).map((Key) => admin.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))))
    expect(await listed(storage, 'p')).toEqual(ids)
    await storage.close()
  })

  describe('object lock', () => {
    test('a put with retention is locked for its period, and the lock can be extended', async () => {
      const Bucket = await newBucket(true)
      const storage = await onMoto(Bucket)
      const until = async () => admin.send(new HeadObjectCommand({ Bucket, Key: 'p1' }))
      await storage.put('p1', [bytes('x')], { retention: { mode: 'GOVERNANCE', periodNs: 24n * hourNs } })
      const first = await until()
      expect(first.ObjectLockMode).toBe('GOVERNANCE')
      expect(Math.abs((first.ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now() - 86_400_000)).toBeLessThan(600_000)
      await storage.extras.extendRetention?.('p1', 'COMPLIANCE', 48n * hourNs)
      const second = await until()
      expect(second.ObjectLockMode).toBe('COMPLIANCE')
      expect((second.ObjectLockRetainUntilDate?.getTime() ?? 0) - (first.ObjectLockRetainUntilDate?.getTime() ?? 0)).toBeGreaterThan(
        86_000_000,
      )
      await storage.delete('p1')
      await expect(storage.get('p1')).rejects.toThrow(BlobNotFoundError)
      await storage.close()
    })
    test('a mode that S3 does not have is refused', async () => {
      const storage = await onMoto(await newBucket(true))
      await expect(storage.put('p1', [], { retention: { mode: 'Locked', periodNs: hourNs } })).rejects.toThrow(/GOVERNANCE or COMPLIANCE/)
      await storage.close()
    })
  })

  describe('the storage as it was', () => {
    test('shows the versions of that time, and refuses changes', async () => {
      const Bucket = await newBucket()
      await admin.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
      const now = await onMoto(Bucket, { prefix: 'x/' })
      for (const id of ['p', 'p1', 'p2', 'gone']) await now.put(id, [bytes(`old ${id}`)])
      await now.delete('gone')
      await sleep(2100)
      const pointInTime = new Date().toISOString()
      await sleep(1100)
      await now.put('p1', [bytes('new p1')])
      await now.put('late', [bytes('late')])
      await now.put('gone', [bytes('back again')])
      await now.delete('p2')
      const then = await onMoto(Bucket, { prefix: 'x/', pointInTime })
      expect(await listed(then, '')).toEqual(['p', 'p1', 'p2'])
      expect((await then.get('p1')).toString()).toBe('old p1')
      expect((await then.get('p2', { offset: 4, length: 2 })).toString()).toBe('p2')
      expect((await then.stat('p')).sizeBytes).toBe(5)
      for (const id of ['late', 'gone', 'absent']) await expect(then.get(id)).rejects.toThrow(BlobNotFoundError)
      await expect(then.put('x', [])).rejects.toThrow(ReadOnlyStorageError)
      await expect(then.delete('p')).rejects.toThrow(ReadOnlyStorageError)
      expect(await listed(now, '')).toEqual(['gone', 'late', 'p', 'p1'])
      await Promise.all([now.close(), then.close()])
    })
    test('needs a bucket with versions', async () => {
      const pointInTime = new Date().toISOString()
      await expect(onMoto(await newBucket(), { pointInTime })).rejects.toThrow(/keeps no versions/)
    })
  })

  describe('who we are', () => {
    const role = 'arn:aws:iam::123456789012:role/backup'
    const worksWith = async (extra: object) => {
      const storage = await onMoto(await newBucket(), { region: 'us-east-1', ...extra })
      await storage.put('a', [bytes('x')])
      expect(await listed(storage, '')).toEqual(['a'])
      await storage.close()
    }
    test('the keys are exchanged for those of a role', async () => {
      await worksWith({ roleARN: role, sessionName: 'kura-test', duration: '1h0m0s', roleEndpoint: `http://127.0.0.1:${moto.port}` })
    })
    test('a token from outside is exchanged for the keys of a role', async () => {
      await worksWith({
        accessKeyID: '',
        secretAccessKey: '',
        roleARN: role,
        webIdentityToken: 'token',
        roleEndpoint: `http://127.0.0.1:${moto.port}`,
      })
    })
    test('a role without keys is refused', async () => {
      const failure = await onMoto(await newBucket(), { roleARN: role, accessKeyID: '' }).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(StorageError)
      expect(String(failure)).toContain('access key')
    })
    test('without keys anywhere requests are anonymous', async () => {
      process.env['AWS_EC2_METADATA_DISABLED'] = 'true'
      const Bucket = await newBucket()
      for (const [Key, ACL] of Object.entries({ open: 'public-read', closed: 'private' }))
        await admin.send(new PutObjectCommand({ Bucket, Key, Body: Key, ACL: ACL as 'private' }))
      const storage = await onMoto(Bucket, { accessKeyID: '', secretAccessKey: '' })
      expect((await storage.get('open')).toString()).toBe('open')
      await expect(storage.get('closed')).rejects.toThrow(/access denied/)
      await storage.close()
    })
    test('keys are taken from the environment when the connection has none', async () => {
      Object.assign(process.env, { AWS_ACCESS_KEY: 'S3RVER', AWS_SECRET_KEY: 'S3RVER' })
      const storage = await onS3rver({ accessKeyID: '', secretAccessKey: '' })
      await storage.put('a', [bytes('x')])
      await storage.close()
      delete process.env['AWS_ACCESS_KEY']
      delete process.env['AWS_SECRET_KEY']
    })
  })
})
