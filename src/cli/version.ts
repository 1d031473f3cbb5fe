declare const KURA_VERSION: string | undefined
declare const KURA_BUILD: string | undefined

/** Version alone, as actions are given it. */
export const programVersion = typeof KURA_VERSION === 'string' ? KURA_VERSION : 'v0-unofficial'

export const programBuild = typeof KURA_BUILD === 'string' ? KURA_BUILD : 'source'

/** `‹version› build: ‹build info› from: ‹GitHub repository›`; the last part is empty, as in unofficial builds.
 *  Source: spec 06, 2.4. */
export function versionLine(): string {
  return `${programVersion} build: ${programBuild} from: `
}
