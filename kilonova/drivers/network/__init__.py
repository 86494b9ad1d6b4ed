"""(promise to be written)"""
