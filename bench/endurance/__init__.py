"""The facade in bad times: backends that close, workers that die, too much load, hostile clients."""
