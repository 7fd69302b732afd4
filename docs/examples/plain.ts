/** A bot without Effect: whoever says `!time` is told the time. */
import { SummonerServer } from "summoner-server/SummonerServer"

const server = new SummonerServer("bot")
await server.start({
  port: Number(process.env["PORT"] ?? 8888),
  configDict: { version: "rust", logger: { log_level: "WARNING" } }
})
console.log(`listening on port ${server.address.port}`)
process.once("SIGTERM", () => server.shutdown())

for await (const event of server.events) {
  if (event.type === "connected") console.log("hello")
  if (event.type === "message" && event.content === "!time") {
    // Questions that were still waiting when the server was shut down are not answered any more.
    await server.broadcast(new Date().toISOString(), { from: "bot" }).catch((error) => console.error(error.message))
  }
}
console.log("goodbye")
