import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

type Attributes = { readonly [label: string]: string }

const READ_ONLY = { update: () => {}, modify: () => {} }

/** Registers metrics in Effect's metric registry until the scope ends. Their values are computed when read, so nothing is counted twice. */
export const make = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const registrations: Array<Metric.Registration> = []
  yield* Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
  return {
    counter: (name: string, description: string, value: () => number, attributes?: Attributes): void => {
      const metric = Metric.counter(name, { description, incremental: true, attributes })
      const get = () => ({ count: value(), incremental: true })
      registrations.push(Metric.registerUnsafe(metric, context, { get, ...READ_ONLY }))
    },
    gauge: (name: string, description: string, value: () => number, attributes?: Attributes): void => {
      const metric = Metric.gauge(name, { description, attributes })
      const get = () => ({ value: value() })
      registrations.push(Metric.registerUnsafe(metric, context, { get, ...READ_ONLY }))
    },
    histogram: (name: string, description: string, get: () => Metric.HistogramState): void => {
      const metric = Metric.histogram(name, { description, boundaries: [] })
      registrations.push(Metric.registerUnsafe(metric, context, { get, ...READ_ONLY }))
    }
  }
})
