"""Reads OpenMetrics from standard input with the strict parser of prometheus-client, and prints the samples as JSON.

Each sample is a list of its name, its labels and its value.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def main():
    text = sys.stdin.buffer.read().decode("utf-8")
    families = list(text_string_to_metric_families(text))
    assert families, "no metrics at all"
    for family in families:
        assert family.documentation and family.type != "unknown", f"{family.name} says too little of itself"
    json.dump([[s.name, s.labels, s.value] for family in families for s in family.samples], sys.stdout)


main()
