print("culver")
