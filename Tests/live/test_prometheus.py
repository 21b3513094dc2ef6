"""What people see of it elsewhere: the rules and the dashboard of config/prometheus, with Debian's own Prometheus.

From issue 15: "Prometheus rules and a Grafana dashboard in config/, rules checked by promtool in the tests, every panel's
query answered by a real Prometheus that scrapes a running daemon's textfile".
"""

import json
import pathlib
import re
import signal
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import TOP, Story, end, eventually, free_port, start

PLACE = TOP / "config/prometheus"
RULES = PLACE / "culver.rules.yml"
DASHBOARD = json.loads((PLACE / "culver.dashboard.json").read_text())
BOARD = 'instance="pi"'

# For each alert series that set it off, with what they are each minute, and such as nearly do. A time `at` has the minute.
CLIMBS, RESTS = "0+1x200", "7+0x200"
FIRING = {
    "CulverGone": ({'node_textfile_mtime_seconds{instance="pi",file="/x/culver.prom"}': "0+0x200"},
                   {'node_textfile_mtime_seconds{instance="pi",file="/x/culver.prom"}': "0+60x200",
                    'node_textfile_mtime_seconds{instance="pi",file="/x/apt.prom"}': "0+0x200"}),
    "CulverStartsAgainAndAgain": ({f"culver_uptime_seconds{{{BOARD}}}": "0 9 0 9 0 9 0 9 0 9 0 9" + " 0 9" * 90},
                                  {f"culver_uptime_seconds{{{BOARD}}}": "0+60x90 0+60x100"}),
    "CulverNoBroker": ({f'culver_broker_connected{{{BOARD},broker="a"}}': "0+0x200", f'culver_broker_connected{{{BOARD},broker="b"}}': "0+0x200"},
                       {f'culver_broker_connected{{{BOARD},broker="a"}}': "0+0x200", f'culver_broker_connected{{{BOARD},broker="b"}}': "1+0x200"}),
    "CulverBrokerAway": ({f'culver_broker_connected{{{BOARD},broker="a"}}': "0+0x200", f'culver_broker_connected{{{BOARD},broker="b"}}': "1+0x200"},
                         {f'culver_broker_connected{{{BOARD},broker="a"}}': "0 0 0 0 1" * 1 + " 1+0x200"}),
    "CulverBrokerComesAndGoes": ({f'culver_broker_losses_total{{{BOARD},broker="a",kind="lost"}}': CLIMBS},
                                 {f'culver_broker_losses_total{{{BOARD},broker="a",kind="lost"}}': RESTS,
                                  f'culver_broker_losses_total{{{BOARD},broker="a",kind="not-made"}}': CLIMBS}),
    "CulverPeerSilent": ({f'culver_peer_lag_seconds{{{BOARD},did="x@1"}}': "30000+0x200"},
                         {f'culver_peer_lag_seconds{{{BOARD},did="x@1"}}': "3000+0x200", f'culver_peer_info{{{BOARD},did="x@1",name="y"}}': "1+0x200"}),
    "CulverUndelivered": ({f'culver_messages_total{{{BOARD},event="expired"}}': CLIMBS},
                          {f'culver_messages_total{{{BOARD},event="expired"}}': RESTS, f'culver_messages_total{{{BOARD},event="cancelled"}}': CLIMBS}),
    "CulverOutboxFilling": ({f'culver_outbox_messages{{{BOARD},state="waiting"}}': "50+0x200", f'culver_outbox_messages{{{BOARD},state="queued"}}': "40+0x200",
                             f"culver_outbox_limit_messages{{{BOARD}}}": "100+0x200"},
                            {f'culver_outbox_messages{{{BOARD},state="waiting"}}': "50+0x200", f"culver_outbox_limit_messages{{{BOARD}}}": "100+0x200"}),
    "CulverOutboxFull": ({f"culver_outbox_full_total{{{BOARD}}}": CLIMBS}, {f"culver_outbox_full_total{{{BOARD}}}": RESTS}),
    "CulverInboxFull": ({f"culver_inbox_full_total{{{BOARD}}}": CLIMBS}, {f"culver_inbox_full_total{{{BOARD}}}": RESTS}),
    "CulverConsumerBehind": ({f'culver_consumer_pending{{{BOARD},consumer="lamp"}}': "1001+0x200"},
                             {f'culver_consumer_pending{{{BOARD},consumer="lamp"}}': "1000+0x200"}),
    "CulverGap": ({f"culver_gaps_total{{{BOARD}}}": CLIMBS}, {f"culver_gaps_total{{{BOARD}}}": RESTS}),
    "CulverClone": ({f"culver_standing_back{{{BOARD}}}": "1+0x200"},
                    {f"culver_standing_back{{{BOARD}}}": "0+0x200", f'culver_clones_total{{{BOARD},kind="same-number"}}': RESTS}),
    "CulverDiskFailing": ({f"culver_commit_failures_total{{{BOARD}}}": CLIMBS}, {f"culver_disk_failing{{{BOARD}}}": "0+0x200"}),
    "CulverDiskNearlyFull": ({f"culver_state_free_bytes{{{BOARD}}}": "99000000+0x200"}, {f"culver_state_free_bytes{{{BOARD}}}": "100000000+0x200"}),
    "CulverDamagedFile": ({f"culver_damaged_files_total{{{BOARD}}}": CLIMBS}, {f"culver_damaged_files_total{{{BOARD}}}": RESTS}),
    "CulverClockUnset": ({f"culver_clock_set{{{BOARD}}}": "0+0x200"}, {f"culver_clock_set{{{BOARD}}}": "1+0x200"}),
    "CulverStrangersWait": ({f"culver_requests{{{BOARD}}}": "1+0x200"}, {f"culver_requests{{{BOARD}}}": "0+0x200"}),
    "CulverRefusesMuch": ({f'culver_refused_total{{{BOARD},stage="parse"}}': "0+20x200"}, {f'culver_refused_total{{{BOARD},stage="parse"}}': CLIMBS}),
}


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def queries() -> list[tuple[str, str]]:
    """The title of each panel, and each question that it asks."""
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


class Rules(Story):
    def test_promtool_finds_nothing_to_say(self):
        self.assertIn(f"SUCCESS: {len(FIRING)} rules found", run("promtool", "check", "rules", "--lint-fatal", RULES))

    def test_each_alert_goes_off_for_what_it_is_about_and_for_nothing_less(self):
        alerts = re.findall(r"alert: (\w+)", RULES.read_text())
        self.assertEqual(sorted(alerts), sorted(FIRING))
        tests = []
        for alert, (bad, good) in FIRING.items():
            for series, fires in ((bad, True), (good, False)):
                test = {
                    "interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "promql_expr_test": [{
                        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "120m",
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}
                tests.append(test)
        file = self.directory / "tests.json"  # JSON is YAML
        file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
        run("promtool", "test", "rules", file)

    def test_a_name_without_a_contact_has_its_id(self):
        series = {f'culver_peer_lag_seconds{{{BOARD},did="{did}"}}': "30000+0x200" for did in ("x@1", "z@2")}
        series[f'culver_peer_info{{{BOARD},did="x@1",name="porch"}}'] = "1+0x200"
        expected = []
        for labels, who in (({"did": "x@1", "name": "porch"}, "porch"), ({"did": "z@2"}, "z@2")):
            expected.append({
                "exp_labels": {"instance": "pi", "severity": "warning", **labels},
                "exp_annotations": {
                    "summary": f"what pi sends to {who} has waited for 8h 20m 0s",
                    "description": "That board is off, or out of reach of every common broker. Messages are repeated until they expire."}})
        file = self.directory / "tests.json"
        file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
            "interval": "1m", "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"alertname": "CulverPeerSilent", "eval_time": "60m", "exp_alerts": expected}]}]}))
        run("promtool", "test", "rules", file)


class Scraped(Story):
    """Two boards, each with a node_exporter of its own that reads its textfile, and one Prometheus."""

    def setUp(self):
        super().setUp()
        self.turn: dict[str, int] = {}
        self.broker_ = self.broker()
        self.boards = [self.board(name) for name in ("garden", "porch")]
        self.converse()
        for board in self.boards:
            self.renew(board)
        self.port = self.prometheus([self.exporter(board) for board in self.boards])

    def board(self, name: str):
        board = self.daemon(name, self.broker_, begin=False)
        (board.home / "metrics").mkdir()
        text = board.configuration.read_text()
        board.configuration.write_text(text.replace("[agent]\n", f"[agent]\nmetrics_file = {self.file(board)}\n", 1))
        board.start()
        eventually(self.file(board).exists, what="the metrics of the start")
        return board

    def file(self, board) -> pathlib.Path:
        return board.home / f"metrics/culver-{self.turn.get(board.name, 0)}.prom"

    def renew(self, board) -> None:
        """Has the metrics of now written: to a file of another name that is done at once, else once a minute."""
        old = self.file(board)
        self.turn[board.name] = self.turn.get(board.name, 0) + 1
        board.configuration.write_text(board.configuration.read_text().replace(str(old), str(self.file(board))))
        old.unlink()
        board.process.send_signal(signal.SIGHUP)
        eventually(self.file(board).exists, what=board.log[-2000:])

    def converse(self) -> None:
        garden, porch = self.boards
        self.succeeds(garden.tool("contact", "add", porch.did, "--name", "porch"))
        self.succeeds(garden.tool("send", "porch", "hello", "--wait", "delivered"))
        self.succeeds(porch.tool("inbox", "--consumer", "lamp", "--count", "1", "--ack"))

    def exporter(self, board) -> int:
        port = free_port()
        log = open(board.home / "exporter.log", "ab")
        process = start(
            ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
             f"--collector.textfile.directory={board.home / 'metrics'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log)
        log.close()
        self.addCleanup(end, process)
        return port

    def prometheus(self, exporters: list[int]) -> int:
        port = free_port()
        configuration = self.directory / "prometheus.yml"
        targets = [{"targets": [f"127.0.0.1:{exporter}"], "labels": {"instance": board.name}} for board, exporter in zip(self.boards, exporters)]
        configuration.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "node", "static_configs": targets}]}))
        run("promtool", "check", "config", configuration)
        log = open(self.directory / "prometheus.log", "ab")
        process = start(
            ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.directory / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        log.close()
        self.addCleanup(end, process)
        self.port = port
        # Two scrapes make a rate.
        eventually(lambda: self.value("min(count_over_time(culver_uptime_seconds[5m]))") >= 3, what="scrapes")
        return port

    def ask(self, path: str, **params: str) -> dict:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it begins
                raise
            raise AssertionError(f"{params}: {error.read().decode()}") from None

    def value(self, query: str) -> float:
        """0 while nothing answers."""
        try:
            rows = self.ask("query", query=query)["result"]
        except (urllib.error.URLError, ConnectionError):
            return 0
        return float(rows[0]["value"][1]) if rows else 0

    def test_every_panel_is_answered_and_every_rule_is_evaluated(self):
        self.assertGreater(len(queries()), 30)
        for title, query in queries():
            asked = query.replace("$__rate_interval", "5m").replace("$board", ".*")
            self.assertNotIn("$", asked, title)
            rows = self.ask("query", query=asked)["result"]
            self.assertNotEqual(rows, [], f"{title}: {asked}")
            self.assertTrue(all(row["value"][1] not in ("NaN", "+Inf") for row in rows), f"{title}: {rows}")
            # What the legend names is there, and tells the rows apart.
            legend = next(target["legendFormat"] for panel in DASHBOARD["panels"] for target in panel.get("targets", []) if target["expr"] == query)
            names = [re.sub(r"{{(\w+)}}", lambda match: row["metric"][match[1]], legend) for row in rows]
            self.assertEqual(len(set(names)), len(names), f"{title}: {names}")
        boards = {row["metric"]["instance"] for row in self.ask("query", query="culver_build_info")["result"]}
        self.assertEqual(boards, {"garden", "porch"})
        groups = self.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual(len(rules), len(FIRING))
        eventually(lambda: {rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]} == {"ok"}, what="rules")
        self.assertEqual(self.ask("alerts")["alerts"], [])

    def test_what_is_asked_for_are_metrics_of_the_daemon_and_the_exporter_takes_all(self):
        written = set(re.findall(r"^# TYPE (\w+) ", self.file(self.boards[0]).read_text(), re.MULTILINE))
        asked = "\n".join([RULES.read_text(), *[query for _, query in queries()]])
        names = {re.sub(r"_(?:sum|count)$", "", name) for name in re.findall(r"\bculver_\w+", asked)}
        self.assertGreater(len(names), 30)
        self.assertEqual(names - written, set())
        # node_exporter has figures of its own process, and would leave out a second set.
        scraped = {row["metric"]["__name__"] for row in self.ask("query", query='{instance="garden"}')["result"]}
        for name in written:
            samples = re.findall(rf"^({name}(?:_sum|_count)?)[ {{]", self.file(self.boards[0]).read_text(), re.MULTILINE)
            self.assertLessEqual(set(samples), scraped)
        self.assertNotIn("error gathering metrics", (self.boards[0].home / "exporter.log").read_text())
        self.assertEqual(self.value('node_textfile_scrape_error{instance="garden"}'), 0)

    def test_an_alert_waits_while_the_brokers_are_away(self):
        self.broker_.kill()
        eventually(lambda: self.boards[0].call("status")["brokers"][0]["state"] != "connected", what="the loss")
        self.assertEqual(self.ask("alerts")["alerts"], [])
        self.renew(self.boards[0])
        pending = eventually(lambda: [alert for alert in self.ask("alerts")["alerts"] if alert["labels"]["alertname"] == "CulverNoBroker"], what="the alert")
        self.assertEqual([(alert["labels"]["instance"], alert["state"]) for alert in pending], [("garden", "pending")])


if __name__ == "__main__":
    unittest.main()
