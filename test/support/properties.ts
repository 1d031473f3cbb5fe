import { configureGlobal } from 'fast-check'

/** Properties are tried with the same values in every run, so that a failure comes with the change that caused it. By hand:
 *  KURA_PROPERTY_SEED=NUMBER for others. */
configureGlobal({ seed: Number(process.env['KURA_PROPERTY_SEED'] ?? 20_260_101) })
