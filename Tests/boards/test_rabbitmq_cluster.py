"""The same as Tests/live/test_clusters.py with RabbitMQ, whose nodes take half a minute to begin."""

import unittest

import test_clusters


class RabbitMQCluster(test_clusters.Clusters):
    test_what_was_accepted_arrives_once_whatever_node_dies = None

    def test_what_was_accepted_arrives_once_whatever_node_of_rabbitmq_dies(self):
        self.play("rabbitmq", rounds=2)


if __name__ == "__main__":
    unittest.main()
