"""The national axis' HTTP dialect (VXP, "XrdAdapter"): wire, client, facade, simulator."""
