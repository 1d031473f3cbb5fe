import type { Flag, ValuesOf } from '#cli/flag.ts'
import { connectionFlags } from './connection-flags.ts'

/** Flags of "repository create" that hold for every kind of storage (spec 06, 11.1). */
export const createFlags = [
    { name: 'block-hash', type: 'enum', values: ['BLAKE2B-256', 'BLAKE2B-256-128', 'BLAKE2S-128', 'BLAKE2S-256', 'BLAKE3-256', 'BLAKE3-256-128', 'HMAC-SHA224', 'HMAC-SHA256', 'HMAC-SHA256-128', 'HMAC-SHA3-224', 'HMAC-SHA3-256'], default: 'BLAKE2B-256-128', placeholder: 'ALGO' },
    { name: 'encryption', type: 'enum', values: ['AES256-GCM-HMAC-SHA256', 'CHACHA20-POLY1305-HMAC-SHA256'], default: 'AES256-GCM-HMAC-SHA256', placeholder: 'ALGO' },
    { name: 'ecc', type: 'enum', values: ['REED-SOLOMON-CRC32'], default: 'REED-SOLOMON-CRC32', placeholder: 'ALGO' },
    { name: 'ecc-overhead-percent', type: 'int', default: '0' },
    { name: 'object-splitter', type: 'enum', values: ['DYNAMIC', 'DYNAMIC-128K-BUZHASH', 'DYNAMIC-128K-RABINKARP', 'DYNAMIC-1M-BUZHASH', 'DYNAMIC-1M-RABINKARP', 'DYNAMIC-256K-BUZHASH', 'DYNAMIC-256K-RABINKARP', 'DYNAMIC-2M-BUZHASH', 'DYNAMIC-2M-RABINKARP', 'DYNAMIC-4M-BUZHASH', 'DYNAMIC-4M-RABINKARP', 'DYNAMIC-512K-BUZHASH', 'DYNAMIC-512K-RABINKARP', 'DYNAMIC-8M-BUZHASH', 'DYNAMIC-8M-RABINKARP', 'FIXED', 'FIXED-128K', 'FIXED-1M', 'FIXED-256K', 'FIXED-2M', 'FIXED-4M', 'FIXED-512K', 'FIXED-8M'], default: 'DYNAMIC-4M-BUZHASH' },
    { name: 'create-only', short: 'c', type: 'bool' },
    { name: 'format-version', type: 'int' },
    { name: 'retention-mode', type: 'enum', values: ['GOVERNANCE', 'COMPLIANCE'] },
    { name: 'retention-period', type: 'duration' },
    { name: 'format-block-key-derivation-algorithm', type: 'enum', values: ['scrypt-65536-8-1', 'pbkdf2-sha256-600000'], default: 'scrypt-65536-8-1' },
  ...connectionFlags,
] as const satisfies readonly Flag[]

export type CreateValues = ValuesOf<(typeof createFlags)[number]>
